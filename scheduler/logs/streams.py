"""Output as a stream of text: all that is kept of it, or its end and whatever follows."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import BoundedSemaphore

from django.conf import settings
from django.db import connections

from core.pace import TooManyCalls
from scheduler.choices import LIVE
from scheduler.logs.reading import WorkerLog, read_again, whole_log
from scheduler.models import Job, Worker

PAUSE_S = 1.0  # between two looks when nothing was new
LONGEST_S = 600.0
BUSY_FOR_S = 10.0
_open = BoundedSemaphore(settings.MOREH_LOG_STREAMS)
_serving: Callable[[], bool] = lambda: True  # noqa: E731


def serve_while(serving: Callable[[], bool]) -> None:
    """End every stream soon after `serving()` has become false."""
    global _serving  # noqa: PLW0603 - one process
    _serving = serving


def limited(pieces: Iterator[str]) -> Iterator[bytes]:
    """Return a stream that counts while it lasts. Raises TooManyCalls if this process has too many of them."""
    counted = _counted(pieces)
    next(counted)
    return counted


def _counted(pieces: Iterator[str]) -> Iterator[bytes]:
    if not _open.acquire(blocking=False):
        raise TooManyCalls(BUSY_FOR_S)
    try:
        yield b""
        for piece in pieces:
            if piece:
                yield piece.encode(errors="replace")
    finally:
        _open.release()


def whole_text(workers: Sequence[Worker]) -> Iterator[str]:
    """Yield all that is kept of the output of some workers, one after the other, each under the name of its node."""
    for worker in workers:
        text = ""
        for number, log in enumerate(whole_log(worker)):
            connections.close_all()  # a slow reader does not hold a connection
            if number == 0:
                yield _title(log)
            text = log.text or text
            yield _gap(log) + log.text
        if text and not text.endswith("\n"):
            yield "\n"


def followed_text(logs: Sequence[WorkerLog]) -> Iterator[str]:
    """Yield some pieces, and what follows until all workers have ended, for ten minutes at most."""
    end, named = time.monotonic() + LONGEST_S, 0
    several = len(logs) > 1
    while True:
        connections.close_all()
        for log in logs:
            if several and log.text and named != log.worker.pk:
                named = log.worker.pk
                yield _title(log)
            yield _gap(log) + log.text
        goes_on = [log for log in logs if log.running or log.more]
        if not goes_on or time.monotonic() > end or not _serving():
            return
        if not any(log.more for log in goes_on):
            time.sleep(PAUSE_S)
        logs = [_kept_alive(before, after) for before, after in zip(goes_on, read_again(goes_on), strict=True)]


def _kept_alive(before: WorkerLog, after: WorkerLog) -> WorkerLog:
    """Return a piece, with what is asked again if its node only did not answer this time."""
    if after.problem is None:
        return after
    return replace(after, running=Job.objects.filter(pk=before.worker.job_id, status__in=LIVE).exists())


def _title(log: WorkerLog) -> str:
    problem = f" ({log.problem.label})" if log.problem else ""
    return f"==> {log.worker.backend.name}, worker {log.worker.pk}{problem} <==\n"


def _gap(log: WorkerLog) -> str:
    return f"[{log.missing} bytes are not kept]\n" if log.missing else ""
