"""Device-time of any range: closed hours for its inside, the allocations themselves for its edges.

Exact to the millisecond, because an hour is only closed when nothing in it can change any more.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from moreh_cloud.lib.clock import to_ms
from scheduler.models import Allocation
from usage.metering import HOUR_MS, Interval, held_between
from usage.models import ClosedHour, UsageHour
from usage.queries import last_closed

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
EVERYBODY = Q()


@dataclass(frozen=True, slots=True)
class Span:
    """A range [start, end), cut into whole hours that are closed, [first, last), and the edges around them."""

    start: datetime
    end: datetime
    first: datetime
    last: datetime

    @property
    def ms(self) -> int:
        return to_ms(self.end) - to_ms(self.start)

    @property
    def edges(self) -> Iterator[tuple[datetime, datetime]]:
        """Give the parts outside the whole hours, empty ones left out."""
        for start, end in ((self.start, self.first), (self.last, self.end)):
            if start < end:
                yield start, end


def span(start: datetime, end: datetime) -> Span:
    """Cut a range at the hours that are closed now."""
    closed = last_closed()
    first = floor_hour(start + HOUR - timedelta(microseconds=1))
    last = min(floor_hour(end), closed.hour + HOUR if closed else start)
    return Span(start, end, first, last) if first < last else Span(start, end, end, end)


def sums_by_token(over: Span, scope: Q = EVERYBODY) -> dict[int, int]:
    """Sum the device-milliseconds of each token; `scope` narrows rows by `token` or `token__groups`."""
    hours = _hours(UsageHour.objects.filter(scope), over)
    sums = Counter(dict(hours.order_by().values_list("token").annotate(Sum("device_ms"))))
    for start, end in over.edges:
        held = timed(start, end, scope).values_list("token").annotate(Sum("time"))
        sums.update({token: time // MILLISECOND for token, time in held})
    return dict(sums)


def total_of(over: Span) -> int:
    """Sum the device-milliseconds of everybody."""
    inside = _hours(ClosedHour.objects.all(), over).aggregate(total=Sum("device_ms"))["total"] or 0
    edges = (timed(start, end).aggregate(total=Sum("time"))["total"] or timedelta() for start, end in over.edges)
    return int(inside) + sum(edges, timedelta()) // MILLISECOND


def sums_between(over: Span, bounds: Sequence[int], scope: Q = EVERYBODY) -> list[int]:
    """Sum the device-milliseconds of each piece between neighbouring bounds (ms, from the start to the end).

    Where a bound inside the range is no whole hour, as in zones like India's, only the allocations can tell.
    """
    if any(bound % HOUR_MS for bound in bounds[1:-1]):
        return [piece.device_ms for piece in held_between(stays(over.start, over.end, scope), bounds)]
    pieces = [0] * (len(bounds) - 1)
    for hour, ms in _by_hour(over, scope):
        pieces[bisect_right(bounds, to_ms(hour)) - 1] += ms
    for start, end in over.edges:
        _add_edge(pieces, bounds, (to_ms(start), to_ms(end)), stays(start, end, scope))
    return pieces


def _add_edge(pieces: list[int], bounds: Sequence[int], edge: tuple[int, int], held: list[Interval[int]]) -> None:
    start, end = edge
    inner = [start, *(bound for bound in bounds if start < bound < end), end]
    for begin, piece in zip(inner, held_between(held, inner), strict=False):
        pieces[bisect_right(bounds, begin) - 1] += piece.device_ms


def stays(start: datetime, end: datetime, scope: Q = EVERYBODY, key: str = "token") -> list[Interval[Any]]:
    """Give what was held in a range; devices that the same holder took and left together are one interval."""
    found = overlapping(start, end, scope).values_list(key, "started_at", "ended_at").annotate(Count("pk"))
    return [Interval(who, to_ms(begun), to_ms(ended) if ended else None, n) for who, begun, ended, n in found]


def timed(start: datetime, end: datetime, scope: Q = EVERYBODY) -> QuerySet[Any]:
    """Give the allocations of a range with their `time` within it; all times of allocations are whole milliseconds."""
    first, last = Value(start, DateTimeField()), Value(end, DateTimeField())
    time = Least(Coalesce("ended_at", last), last) - Greatest("started_at", first)
    return overlapping(start, end, scope).annotate(time=ExpressionWrapper(time, DurationField()))


def overlapping(start: datetime, end: datetime, scope: Q = EVERYBODY) -> QuerySet[Allocation]:
    """Give the allocations of which some part lies in a range."""
    inside = Q(started_at__lt=end) & (Q(ended_at__isnull=True) | Q(ended_at__gt=start))
    return Allocation.objects.filter(inside, scope).order_by()


def _by_hour(over: Span, scope: Q) -> Iterable[tuple[datetime, int]]:
    rows: Iterable[tuple[datetime, int]]
    if scope == EVERYBODY:
        rows = _hours(ClosedHour.objects.all(), over).order_by().values_list("hour", "device_ms")
    else:
        hours = _hours(UsageHour.objects.filter(scope), over)
        rows = hours.order_by().values_list("hour").annotate(Sum("device_ms"))
    return rows


def _hours(rows: QuerySet[Any], over: Span) -> QuerySet[Any]:
    return rows.filter(hour__gte=over.first, hour__lt=over.last)


def floor_hour(at: datetime) -> datetime:
    """Give the start of the UTC hour that a time lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
