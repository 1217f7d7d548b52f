"""A limit on the requests that a web process works on at once; streams have more threads."""

from collections.abc import Callable
from threading import BoundedSemaphore

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PROBES = ("/livez", "/readyz")  # a process that is busy lives all the same


class RequestLimiter:
    """Work on at most MOREH_WEB_THREADS requests at a time; the others wait.

    A streaming answer frees its slot before it streams. Health probes need no slot.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._turns = BoundedSemaphore(settings.MOREH_WEB_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in PROBES:
            return self._get_response(request)
        with self._turns:
            return self._get_response(request)
