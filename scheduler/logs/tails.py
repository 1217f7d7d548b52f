"""The last output of workers, which agents send unasked: kept for when a node is lost, for some time only."""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from core.clock import db_now
from core.numbers import MAX_ID
from protocol.cuts import rest_of_word
from scheduler.logs.text import OutputWindow, text_of
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
    rows = {
        tail.worker_id: WorkerTail(worker_id=tail.worker_id, text=text, end=end, at=now)
        for tail in tails
        if nodes.get(tail.worker_id) == tail.backend_id
        for text, end in (_text(tail),)
    }
    WorkerTail.objects.bulk_create(
        [rows[pk] for pk in sorted(rows)],
        update_conflicts=True,
        unique_fields=["worker"],
        update_fields=["text", "end", "at"],
    )


def _is_possible(tail: Tail) -> bool:
    return 0 < tail.worker_id <= MAX_ID and 0 <= tail.offset <= MAX_ID - len(tail.data)


def _text(tail: Tail) -> tuple[str, int]:
    begin = tail.offset + (rest_of_word(tail.data) if tail.offset else 0)
    return text_of(OutputWindow(tail.offset, tail.data, tail.running), begin, len(tail.data))


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
