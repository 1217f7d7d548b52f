"""How many devices there were: every one from its creation until its node was deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from django.db.models import Case, Count, F, Q, When

from backends.models import Device
from moreh_cloud.lib.clock import to_ms
from usage.metering import Interval, held_between


def total_devices() -> int:
    return Device.objects.filter(backend__deleted_at__isnull=True).count()


@dataclass(frozen=True, slots=True)
class Capacity:
    """The device-milliseconds that were there in a range, and how long it is from the first device on."""

    device_ms: int = 0
    span_ms: int = 0

    @property
    def devices(self) -> Fraction:
        """How many there were, averaged over the time in which there were any."""
        return Fraction(self.device_ms, self.span_ms) if self.span_ms else Fraction(0)


NONE = Capacity()


def capacity_of(start: datetime, end: datetime) -> Capacity:
    """Measure what was there in a range, which grows and shrinks with the cluster."""
    if start >= end:
        return NONE
    stays = _stays(start, end)
    (held,) = held_between(stays, [to_ms(start), to_ms(end)])
    first = min((stay.start_ms for stay in stays), default=to_ms(end))
    return Capacity(held.device_ms, to_ms(end) - first)


def capacities(bounds: Sequence[datetime]) -> list[int]:
    """Sum the device-milliseconds that were there between each two neighbouring bounds."""
    stays = _stays(bounds[0], bounds[-1])
    return [piece.device_ms for piece in held_between(stays, [to_ms(at) for at in bounds])]


def _stays(start: datetime, end: datetime) -> list[Interval[int]]:
    there = Q(created_at__isnull=True) | Q(created_at__lt=end)
    left = Q(backend__deleted_at__isnull=True) | Q(backend__deleted_at__gt=start)
    # What was there all the time is one row, however many devices and nodes.
    since = Case(When(created_at__gt=start, then=F("created_at")), default=None)
    until = Case(When(backend__deleted_at__lt=end, then=F("backend__deleted_at")), default=None)
    rows = Device.objects.filter(there, left).order_by().values_list(since, until).annotate(Count("pk"))
    return [Interval(0, to_ms(begun or start), to_ms(gone) if gone else None, n) for begun, gone, n in rows]
