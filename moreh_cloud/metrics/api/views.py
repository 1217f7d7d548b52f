import re
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from core.outages import DATABASE_ERRORS, RETRY_AFTER
from moreh_cloud.metrics.answer import answer, compressed, content_type
from moreh_cloud.metrics.targets import targets

ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
View = Callable[[HttpRequest], HttpResponseBase]


def for_prometheus(view: View) -> View:
    """Return a view that only who has the key of the settings may read; 404 without a key in the settings."""

    @require_safe
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if not _has_key(request):
            refusal = _plain("unauthorized", 401)
            refusal["WWW-Authenticate"] = "Bearer"
            return refusal
        try:
            return view(request)
        except DATABASE_ERRORS:
            refusal = _plain("database", 503)
            refusal["Retry-After"] = RETRY_AFTER
            return refusal

    @never_cache
    @wraps(view)
    def found(request: HttpRequest) -> HttpResponseBase:
        return guarded(request) if settings.MOREH_METRICS_KEY else _plain("not found", 404)

    return found


@vary_on_headers("Accept", "Accept-Encoding")
@for_prometheus
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Return the metrics for Prometheus, as OpenMetrics to who can read it."""
    openmetrics = "application/openmetrics-text" in request.headers.get("Accept", "")
    pieces, kind = answer(openmetrics=openmetrics), content_type(openmetrics=openmetrics)
    if not ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")):
        return StreamingHttpResponse(pieces, content_type=kind)
    return StreamingHttpResponse(compressed(pieces), content_type=kind, headers={"Content-Encoding": "gzip"})


@for_prometheus
def discovery(request: HttpRequest) -> HttpResponseBase:
    """Return the exporters that run on the nodes, all of them or of one kind."""
    return JsonResponse(targets(request.GET.get("exporter")), safe=False)


def _has_key(request: HttpRequest) -> bool:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and constant_time_compare(key.strip(), settings.MOREH_METRICS_KEY)


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain", status=status)
