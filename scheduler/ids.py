"""Ids of jobs and workers that are never used twice, even after an older database was restored (ADR 0022).

Clients and agents remember ids. The stored clock shows for how long a restored database may not know of new ids: that
many ids are skipped. After an outage ids are skipped too, although nothing was lost.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from backends.models import ManagerPresence
from core.bulk import skip_ids
from core.clock import db_now
from scheduler.models import IdClock, Job, SkippedIds, Worker

log = structlog.get_logger(__name__)
FRESH = timedelta(seconds=2)
GAP = timedelta(seconds=10)  # servers renew the clock every 2 s
RATE = 1000  # ids per second: more than an installation uses over a longer time


def keep_ids_new(now: datetime) -> None:
    """Skip the ids that may have been used since the stored clock; call it before new ids are made."""
    at = IdClock.objects.values_list("at", flat=True).first()
    if at is None or not -GAP < now - at < FRESH:
        _advance_clock()


@transaction.atomic
def _advance_clock() -> None:
    clock = IdClock.objects.select_for_update().filter(pk=1).first()
    now = db_now()
    if clock is None:
        IdClock.objects.bulk_create([IdClock(pk=1, at=now)], ignore_conflicts=True)
        return
    gap = now - clock.at
    if gap >= GAP:
        count = int(gap.total_seconds() * RATE)
        for model in (Job, Worker):
            first, last = skip_ids(model, count)
            SkippedIds.objects.create(table=model._meta.db_table, first=first, last=last, at=now)
        ManagerPresence.objects.update(outage_noticed_at=now)
        log.info("ids_skipped", count=count, gap_s=round(gap.total_seconds()))
    IdClock.objects.filter(pk=1).update(at=now)


def started_in_lost_time(workers: Collection[int]) -> set[int]:
    """Return the workers that were started after the dump from which the database was restored.

    Their ids are among the skipped ones.
    """
    ranges: list[tuple[int, int]] = []
    if workers:
        skipped = SkippedIds.objects.filter(first__lte=max(workers), last__gte=min(workers))
        ranges = list(skipped.filter(table=Worker._meta.db_table).values_list("first", "last"))
    return {pk for pk in workers if any(first <= pk <= last for first, last in ranges)}
