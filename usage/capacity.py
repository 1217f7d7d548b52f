"""How many devices there were, each from its creation until its node was deleted, and averages over that time."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from django.db.models import Case, Count, F, Q, When

from backends.models import Device
from core.clock import to_ms
from usage.metering import Interval, held_between, percentage, profile


def total_devices() -> int:
    """Return how many devices there are now."""
    return Device.objects.filter(backend__deleted_at__isnull=True).count()


@dataclass(frozen=True, slots=True)
class Capacity:
    """The device-milliseconds available in a range, and how long it lasted from its first moment with devices."""

    device_ms: int = 0
    span_ms: int = 0

    @property
    def devices(self) -> Fraction:
        """Return the average number of devices from the first moment at which there were any."""
        return self.average(self.device_ms)

    def average(self, device_ms: int) -> Fraction:
        """Return device-time as an average number of devices; all pages and REST use this definition.

        The average is over the time from the first moment at which there were devices; 0 when there were none.
        """
        return Fraction(device_ms, self.span_ms) if self.span_ms else Fraction(0)

    def percent(self, device_ms: int) -> Fraction:
        """Return device-time in percent of what was available; 0 when nothing was."""
        return percentage(device_ms, self.device_ms)


NONE = Capacity()


def capacity_of(start: datetime, end: datetime) -> Capacity:
    """Return the capacity in a range; it grows and shrinks with the cluster."""
    return capacities([start, end])[0] if start < end else NONE


def capacities(bounds: Sequence[datetime]) -> list[Capacity]:
    """Return the capacity between each two neighbouring bounds."""
    stays, cuts = _stays(bounds[0], bounds[-1]), [to_ms(at) for at in bounds]
    steps = [*profile(stays, cuts[0], cuts[-1]), (cuts[-1], 0)]
    there = [(start, end) for (start, devices), (end, _) in pairwise(steps) if devices]
    spans = (_from_the_first_device(there, start, end) for start, end in pairwise(cuts))
    return [Capacity(held.device_ms, span) for held, span in zip(held_between(stays, cuts), spans, strict=True)]


def _from_the_first_device(there: Sequence[tuple[int, int]], start: int, end: int) -> int:
    """Return how long a range lasts from its first moment with devices; `there` are the times with devices, rising."""
    place = bisect_right(there, start, key=lambda span: span[1])
    return max(0, end - max(start, there[place][0])) if place < len(there) else 0


def _stays(start: datetime, end: datetime) -> list[Interval[int]]:
    there = Q(created_at__isnull=True) | Q(created_at__lt=end)
    left = Q(backend__deleted_at__isnull=True) | Q(backend__deleted_at__gt=start)
    # All devices that existed during the whole range are one row, however many there are.
    since = Case(When(created_at__gt=start, then=F("created_at")), default=None)
    until = Case(When(backend__deleted_at__lt=end, then=F("backend__deleted_at")), default=None)
    rows = Device.objects.filter(there, left).order_by().values_list(since, until).annotate(Count("pk"))
    return [Interval(0, to_ms(begun or start), to_ms(gone) if gone else None, n) for begun, gone, n in rows]
