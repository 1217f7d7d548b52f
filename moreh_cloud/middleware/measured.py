"""How long requests take, by route."""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.measures import DURATIONS, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = Histogram(
    "moreh_http_request_duration_seconds",
    "Durations of HTTP requests until their response begins.",
    ("method", "route", "status"),
    DURATIONS,
)
NO_ROUTE = "none"


class MeasuredRequests:
    """Measure each request, the time included for which it waits for its turn; routes hold no ids and no secrets."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begin = perf_counter()
        response = self._get_response(request)
        route = request.resolver_match.route if request.resolver_match else NO_ROUTE
        if route.startswith("^"):  # what takes all addresses that no other pattern fits
            route = NO_ROUTE
        method = request.method if request.method in METHODS else "OTHER"
        status = f"{response.status_code // 100}xx"
        REQUESTS.add(method or "OTHER", route or "/", status, value=perf_counter() - begin)
        return response
