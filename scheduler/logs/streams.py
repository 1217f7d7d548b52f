"""Output as a stream of text: all that is kept of it, or its end and whatever follows."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import BoundedSemaphore

from django.conf import settings
from django.db import connections
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from core.pace import TooManyCalls
from scheduler.choices import LIVE, LogProblem
from scheduler.logs.notes import gap_note, problem_note
from scheduler.logs.reading import WorkerLog, read_again
from scheduler.models import Job, Worker

PAUSE_S = 1.0  # between two looks when nothing was new
LONGEST_S = 600.0
BUSY_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.5)
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
    language = get_language()
    try:
        yield b""
        while (piece := _next(pieces, language)) is not None:
            if piece:
                yield piece.encode(errors="replace")
    finally:
        _open.release()


def _next(pieces: Iterator[str], language: str | None) -> str | None:
    """Return what comes next, in the language of the request: a stream is read in any thread."""
    with override(language):
        return next(pieces, None)


def whole_text(workers: Sequence[Worker]) -> Iterator[str]:
    """Yield all that is kept of the output of some workers, one after the other, each under the name of its node.

    Where one cannot be read to its end, a line says why.
    """
    for worker in workers:
        text = ""
        for number, log in enumerate(_whole_log(worker)):
            connections.close_all()  # a slow reader does not hold a connection
            if number == 0:
                yield _title(log)
            rest = _("The output is not complete.") if log.problem and number else ""
            said = _line(text, problem_note(log), rest) + _line("", gap_note(log))
            yield said + log.text
            text = log.text or said or text
        if text and not text.endswith("\n"):
            yield "\n"


def _whole_log(worker: Worker) -> Iterator[WorkerLog]:
    """Yield all that is kept of a worker's output, from its first byte to the end that it has now."""
    log = first = _read_patiently(WorkerLog(worker))
    yield log
    while log.more and log.next_offset < first.end:
        log = _read_patiently(log)
        yield log


def _read_patiently(log: WorkerLog) -> WorkerLog:
    """Return what follows after a piece; while too much is being read, it is tried again some times."""
    for pause in BUSY_PAUSES_S:
        after = read_again([log])[0]
        if after.problem != LogProblem.BUSY:
            return after
        connections.close_all()
        time.sleep(pause)
    return read_again([log])[0]


def followed_text(logs: Sequence[WorkerLog]) -> Iterator[str]:
    """Yield some pieces, and what follows until all workers have ended, for ten minutes at most."""
    end, named = time.monotonic() + LONGEST_S, 0
    problems: dict[int, LogProblem | None] = {}
    several = len(logs) > 1
    while True:
        connections.close_all()
        for log in logs:
            if several and log.text and named != log.worker.pk:
                named = log.worker.pk
                yield _title(log)
            if log.problem and problems.get(log.worker.pk) != log.problem:
                yield _line("", log.worker.backend.name + ":", problem_note(log))
            problems[log.worker.pk] = log.problem
            yield _line("", gap_note(log)) + log.text
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
    return f"==> {log.worker.backend.name}, worker {log.worker.pk} <==\n"


def _line(before: str, *sentences: str) -> str:
    """Return a line of ours, after what may not end a line; empty if there is nothing to say."""
    text = " ".join(filter(None, sentences))
    begin = "\n" if before and not before.endswith("\n") else ""
    return f"{begin}[{text}]\n" if text else ""
