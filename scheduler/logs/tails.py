"""The last output of workers, which agents send unasked: kept for when a node is lost, for some time only."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from core.clock import db_now
from core.numbers import MAX_ID
from protocol.cuts import rest_of_word
from scheduler.logs.text import OutputWindow, parts_of
from scheduler.models import Worker, WorkerTail

MOST_DELETED = 5_000  # rows in one statement


class Tail(NamedTuple):
    """The last bytes of a worker's output, of the agent of a node."""

    backend_id: int
    worker_id: int
    offset: int
    data: bytes
    running: bool


def store_tails(tails: Sequence[Tail]) -> None:
    """Replace the last output of some workers, in two statements.

    Dropped are tails of workers of other nodes, and those with numbers that no output has.
    """
    tails = [tail for tail in tails if _is_possible(tail)]
    nodes = dict(Worker.objects.filter(pk__in=[tail.worker_id for tail in tails]).values_list("pk", "backend_id"))
    now = db_now()
    rows = {tail.worker_id: _row(tail, now) for tail in tails if nodes.get(tail.worker_id) == tail.backend_id}
    WorkerTail.objects.bulk_create(
        [rows[pk] for pk in sorted(rows)],
        update_conflicts=True,
        unique_fields=["worker"],
        update_fields=["text", "start", "parts", "end", "at"],
    )


def _is_possible(tail: Tail) -> bool:
    return 0 < tail.worker_id <= MAX_ID and 0 <= tail.offset <= MAX_ID - len(tail.data)


def _row(tail: Tail, at: datetime) -> WorkerTail:
    start = tail.offset + (rest_of_word(tail.data) if tail.offset else 0)
    parts = parts_of(OutputWindow(tail.offset, tail.data, tail.running), start)
    return WorkerTail(
        worker_id=tail.worker_id,
        text="".join(part.text for part in parts),
        start=start,
        parts=[(part.size, len(part.text)) for part in parts],
        end=start + sum(part.size for part in parts),
        at=at,
    )


def rest_of_tail(tail: WorkerTail, position: int) -> tuple[int, str]:
    """Return what a last output has from a position before its end on: its offset, and the text.

    Within a part where something was masked or taken out, it begins after that part.
    """
    at, first = tail.start, 0
    for size, length in tail.parts:
        if position <= at:
            return at, tail.text[first:]
        part = tail.text[first : first + length].encode()
        at, first = at + size, first + length
        if position < at and len(part) == size:
            return position, part[position - at :].decode(errors="ignore") + tail.text[first:]
    return tail.end, ""


def delete_old_tails() -> int:
    """Delete what is older than MOREH_LOG_TAIL_HOURS, and what is more than MOREH_LOG_TAILS; return how many."""
    newest = WorkerTail.objects.order_by("-at").values_list("at", flat=True)
    surplus = newest[settings.MOREH_LOG_TAILS : settings.MOREH_LOG_TAILS + 1].first()
    oldest = db_now() - settings.MOREH_LOG_TAIL_HOURS
    oldest = max(oldest, surplus) if surplus else oldest
    deleted = 0
    while True:
        some = list(WorkerTail.objects.filter(at__lte=oldest).values_list("pk", flat=True)[:MOST_DELETED])
        deleted += WorkerTail.objects.filter(pk__in=some).delete()[0]
        if len(some) < MOST_DELETED:
            return deleted
