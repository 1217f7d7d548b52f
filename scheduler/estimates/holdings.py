"""Who is on nodes for which maintenance is planned, and when they are expected to be gone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Count

from core.clock import db_now
from scheduler.estimates.runtime_history import RuntimeHistory, runtime_history
from scheduler.models import Allocation
from scheduler.queries.allocations import OPEN

MS = timedelta(milliseconds=1)


class EndBasis(StrEnum):
    """What an expected end rests on. The values stay as they are on the wire."""

    LIMIT = "LIMIT"  # the time limit of the job: it ends then at the latest
    HISTORY = "HISTORY"  # the runtime history of such jobs


class Holding(NamedTuple):
    """A job, or a reserved SDA without one, that holds devices of some nodes; when it ends, None if unknown."""

    job: int | None
    sda: int
    token_id: int
    owner: str
    devices: int
    ends_at: datetime | None
    basis: EndBasis | None

    def overlaps(self, starts_at: datetime) -> bool:
        """Whether it may still be there when maintenance begins."""
        return self.basis is not EndBasis.LIMIT or self.ends_at is None or self.ends_at > starts_at


def held_on(backend_ids: Collection[int]) -> list[Holding]:
    """Return who holds devices of some nodes, in one query and one for each of their groups."""
    rows = Allocation.objects.filter(OPEN, device__backend__in=backend_ids).order_by("job_id", "sda_id")
    names = ("job_id", "sda_id", "token_id", "token__description")
    about = ("job__num_devices", "job__submitted_at", "job__time_limit", "job__group_id")
    counted = list(rows.values_list(*names, *about).annotate(here=Count("pk")))
    histories = {group: runtime_history(group) for group in sorted({row[7] for row in counted if row[0]})}
    now = db_now()
    return [
        Holding(job, sda, token, owner, here, *_end(histories.get(group), (token, wanted), start, limit, now))
        for job, sda, token, owner, wanted, start, limit, group, here in counted
    ]


def _end(
    history: RuntimeHistory | None,
    kind: tuple[int, int],
    start: datetime | None,
    limit: timedelta | None,
    now: datetime,
) -> tuple[datetime | None, EndBasis | None]:
    if start is None:
        return None, None
    if limit is not None:
        return start + limit, EndBasis.LIMIT
    expected = history.expect(kind, max(0, (now - start) // MS)) if history else None
    return (None, None) if expected is None else (now + expected.ms * MS, EndBasis.HISTORY)
