"""How many devices there were: every one from its creation until its node was deleted."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Case, Count, F, Q, When

from backends.models import Device
from moreh_cloud.lib.clock import to_ms
from usage.metering import Interval, held_between


def total_devices() -> int:
    return Device.objects.filter(backend__deleted_at__isnull=True).count()


def capacity_ms(start: datetime, end: datetime) -> int:
    """Sum the device-milliseconds that were there in a range, which grows and shrinks with the cluster."""
    return sum(capacities([start, end])) if start < end else 0


def capacities(bounds: Sequence[datetime]) -> list[int]:
    """Sum the device-milliseconds that were there between each two neighbouring bounds."""
    start, end = bounds[0], bounds[-1]
    there = Q(created_at__isnull=True) | Q(created_at__lt=end)
    left = Q(backend__deleted_at__isnull=True) | Q(backend__deleted_at__gt=start)
    # What was there all the time is one row, however many devices and nodes.
    since = Case(When(created_at__gt=start, then=F("created_at")), default=None)
    until = Case(When(backend__deleted_at__lt=end, then=F("backend__deleted_at")), default=None)
    rows = Device.objects.filter(there, left).order_by().values_list(since, until).annotate(Count("pk"))
    stays = [Interval(0, to_ms(begun or start), to_ms(gone) if gone else None, n) for begun, gone, n in rows]
    return [piece.device_ms for piece in held_between(stays, [to_ms(at) for at in bounds])]
