"""Pages while the database is away: 503 with the time to try again, instead of 500."""

import sys
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import loader
from django.views.defaults import server_error as say_server_error

from core.outages import RETRY_AFTER, is_unavailable


class Unavailable:
    """Return 503 when a view found no database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page, or None for an error that is none of these."""
        return _page() if is_unavailable(error) else None


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Return the response to an uncaught error, also of middleware; Django's handler500."""
    return _page() if is_unavailable(sys.exc_info()[1]) else say_server_error(request)


def _page() -> HttpResponse:
    # Without the request: what its context processors show lies in the database.
    return HttpResponse(loader.get_template("503.html").render(), status=503, headers={"Retry-After": RETRY_AFTER})
