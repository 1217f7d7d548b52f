"""How many requests a web process works on at once, however many threads it has for streams."""

from collections.abc import Callable
from threading import BoundedSemaphore

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class Turns:
    """Let MOREH_WEB_THREADS requests in at a time; the others wait, as they would for a thread.

    A streaming answer gives its turn back before it streams.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._turns = BoundedSemaphore(settings.MOREH_WEB_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with self._turns:
            return self._get_response(request)
