"""No more requests work at once than there are turns."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

from django.http import HttpResponse
from django.test import RequestFactory

from moreh_cloud.middleware.request_limiter import RequestLimiter


def test_the_others_wait(settings: Any) -> None:
    settings.MOREH_WEB_THREADS = 2
    inside, most, lock, both = 0, 0, Lock(), Barrier(2, timeout=10)

    def answer(_request: object) -> HttpResponse:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        both.wait()  # two are let in together, or this breaks
        with lock:
            inside -= 1
        return HttpResponse()

    turns = RequestLimiter(answer)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(turns, [RequestFactory().get("/")] * 6))
    assert [one.status_code for one in answers] == [200] * 6
    assert most == 2
