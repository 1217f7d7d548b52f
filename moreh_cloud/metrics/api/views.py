from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from moreh_cloud.metrics.collector import Installation

Encode = Callable[[Collector], bytes]


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Tell Prometheus how the installation is; without a key in the settings there is no such address."""
    if not settings.MOREH_METRICS_KEY:
        return _plain("not found", 404)
    return _scrape(request)


@require_safe
def _scrape(request: HttpRequest) -> HttpResponse:
    if not _has_key(request):
        answer = _plain("unauthorized", 401)
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    encode, kind = _format(request.headers.get("Accept", ""))
    try:
        return HttpResponse(encode(Installation()), content_type=kind)
    except (DatabaseError, InterfaceError):
        return _plain("database", 503)


def _has_key(request: HttpRequest) -> bool:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and constant_time_compare(key.strip(), settings.MOREH_METRICS_KEY)


def _format(accepted: str) -> tuple[Encode, str]:
    """Choose OpenMetrics for who can read it, as Prometheus does."""
    if "application/openmetrics-text" in accepted:
        return openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest, CONTENT_TYPE_PLAIN_0_0_4


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain", status=status)
