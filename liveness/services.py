"""Heartbeats and counts of processes are recorded here; health check, metrics and fallback read them."""

import json
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import transaction

from core.clock import db_now
from core.measures import Counts, added
from liveness.models import ENDED, ProcessCounts, Sign

WRITE_EVERY = 4.0  # seconds between two writes of the same sign by one process
GONE_AFTER = timedelta(minutes=10)  # a process that has stored no counts for so long has ended
_written: dict[tuple[str, str], float] = {}
_lock = Lock()


def record_alive(name: str, *, by: str) -> None:
    """Record that a process of this kind is alive, or that this work was done."""
    if _is_due(name, "seen"):
        _write(name, seen_at=db_now(), by=by)


def record_begin(name: str, *, by: str) -> None:
    """Record that this work was begun in the ordinary way, over the broker."""
    if _is_due(name, "begun"):
        _write(name, begun_at=db_now(), by=by, fallback=False)


def take_over(name: str, begun_at: datetime | None, *, by: str) -> bool:
    """Take work that nobody has begun since `begun_at`; return False when another process was first."""
    Sign.objects.bulk_create([Sign(name=name)], ignore_conflicts=True)
    mine = (
        Sign.objects.filter(name=name, begun_at=begun_at) if begun_at else Sign.objects.filter(name=name, begun_at=None)
    )
    return bool(mine.update(begun_at=db_now(), by=by, fallback=True))


def record_done(name: str) -> None:
    """Record that work that was taken over is done."""
    Sign.objects.filter(name=name).update(seen_at=db_now())


def _is_due(name: str, what: str) -> bool:
    now = monotonic()
    with _lock:
        if now - _written.get((name, what), -WRITE_EVERY) < WRITE_EVERY:
            return False
        _written[name, what] = now
    return True


def _write(name: str, **values: Any) -> None:
    if not Sign.objects.filter(name=name).update(**values):
        Sign.objects.bulk_create([Sign(name=name, **values)], ignore_conflicts=True)


def add_process(pk: UUID, process: str) -> None:
    """Create the row of a process that has counted nothing yet."""
    ProcessCounts.objects.create(pk=pk, process=process, seen_at=db_now(), counts="{}")


def store_counts(pk: UUID, counts: Counts, gauges: Counts) -> bool:
    """Store what a process has counted until now; return False if its row is gone, because it was taken for ended."""
    values = {"counts": json.dumps(counts), "gauges": json.dumps(gauges)}
    return bool(ProcessCounts.objects.filter(pk=pk).update(seen_at=db_now(), **values))


@transaction.atomic
def add_up_ended() -> None:
    """Add the counts of ended processes to the sums, and delete their rows."""
    ended = ProcessCounts.objects.exclude(pk=ENDED).filter(seen_at__lt=db_now() - GONE_AFTER)
    if not ended.exists():
        return
    ProcessCounts.objects.bulk_create([ProcessCounts(pk=ENDED, seen_at=db_now(), counts="{}")], ignore_conflicts=True)
    sums = ProcessCounts.objects.select_for_update().get(pk=ENDED)
    rows = list(ended.select_for_update().order_by("pk"))
    sums.counts = json.dumps(added(json.loads(row.counts) for row in (sums, *rows)))
    sums.save(update_fields=["counts"])
    ProcessCounts.objects.filter(pk__in=[row.pk for row in rows]).delete()
