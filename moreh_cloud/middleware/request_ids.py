"""Each request has an id: the one that its caller or proxy gave it, or a new one. The response says which."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from structlog.contextvars import clear_contextvars

from core.request_ids import HEADER, carrying_out, request_id


class RequestIds:
    """Put the id of the request into all log lines that are written meanwhile, and into the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        found = request_id(request.headers.get(HEADER, ""))
        with carrying_out(found):
            response = self._get_response(request)
        clear_contextvars()  # also of the operator, whom a view may have named
        response[HEADER] = found
        return response
