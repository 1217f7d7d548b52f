"""A range of time that a page is about, and what was held in it, exact to the millisecond."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest, Least

from moreh_cloud.lib.clock import to_ms
from usage.intervals import overlapping
from usage.metering import Interval
from usage.queries import usage_by
from usage.rollups.cover import cover
from usage.rollups.reading import held_by_all

MILLISECOND = timedelta(milliseconds=1)
EVERYBODY = Q()


@dataclass(frozen=True, slots=True)
class Span:
    """A range [start, end)."""

    start: datetime
    end: datetime

    @property
    def ms(self) -> int:
        return to_ms(self.end) - to_ms(self.start)


def sums_by_token(over: Span) -> dict[int, int]:
    """Sum the device-milliseconds of each token."""
    return {pk: found.device_ms for (pk,), found in usage_by(over.start, over.end, ["token"]).items()}


def total_of(over: Span) -> int:
    """Sum the device-milliseconds of everybody."""
    return held_by_all(cover(over.start, over.end)).device_ms


def stays(start: datetime, end: datetime, scope: Q = EVERYBODY, key: str = "token") -> list[Interval[Any]]:
    """Give what was held in a range; devices that the same holder took and left together are one interval."""
    found = overlapping(start, end).filter(scope).values_list(key, "started_at", "ended_at").annotate(Count("pk"))
    return [Interval(who, to_ms(begun), to_ms(ended) if ended else None, n) for who, begun, ended, n in found]


def timed(start: datetime, end: datetime, scope: Q = EVERYBODY) -> QuerySet[Any]:
    """Give the allocations of a range with their `time` within it; all times of allocations are whole milliseconds."""
    first, last = Value(start, DateTimeField()), Value(end, DateTimeField())
    time = Least(Coalesce("ended_at", last), last) - Greatest("started_at", first)
    return overlapping(start, end).filter(scope).annotate(time=ExpressionWrapper(time, DurationField()))
