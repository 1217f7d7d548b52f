"""A period of time, and what was held in it, exact to the millisecond."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest, Least

from core.clock import to_ms
from usage.intervals import overlapping
from usage.metering import Interval
from usage.queries import usage_by
from usage.rollups.cover import cover
from usage.rollups.reading import held_by_all

MILLISECOND = timedelta(milliseconds=1)
EVERYBODY = Q()


@dataclass(frozen=True, slots=True)
class Period:
    """A period [start, end)."""

    start: datetime
    end: datetime

    @property
    def ms(self) -> int:
        """Return its length in milliseconds."""
        return to_ms(self.end) - to_ms(self.start)


def ms_by_token(period: Period) -> dict[int, int]:
    """Return the device-milliseconds of each token."""
    return {pk: found.device_ms for (pk,), found in usage_by(period.start, period.end, ["token"]).items()}


def total_ms(period: Period) -> int:
    """Return the device-milliseconds of all tokens together."""
    return held_by_all(cover(period.start, period.end)).device_ms


def held_intervals(start: datetime, end: datetime, scope: Q = EVERYBODY, key: str = "token") -> list[Interval[Any]]:
    """Return what was held between two times. Devices with the same holder, start and end are one interval."""
    found = overlapping(start, end).filter(scope).values_list(key, "started_at", "ended_at").annotate(Count("pk"))
    return [Interval(holder, to_ms(begun), to_ms(ended) if ended else None, n) for holder, begun, ended, n in found]


def with_time(start: datetime, end: datetime, scope: Q = EVERYBODY) -> QuerySet[Any]:
    """Return the allocations between two times, each with its `time` within them, in whole milliseconds."""
    first, last = Value(start, DateTimeField()), Value(end, DateTimeField())
    time = Least(Coalesce("ended_at", last), last) - Greatest("started_at", first)
    return overlapping(start, end).filter(scope).annotate(time=ExpressionWrapper(time, DurationField()))
