"""Counts over whole tables, each in one query: nodes and devices by Availability, live jobs by group and status."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Count, FilteredRelation, Q, Sum

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, Device
from backends.queries import is_reporting
from scheduler.choices import LIVE, Availability
from scheduler.models import Job

Tally = Mapping[str, int]
LiveCounts = Mapping[tuple[int, str], tuple[int, int]]
"""Jobs and the devices they ask for or hold, by group and status."""


def count_availability(now: datetime) -> tuple[Tally, Tally]:
    """Return the number of live nodes, and of their devices, by Availability; values without any are absent.

    The holders of devices are read once for both, because with 80,000 devices that takes most of the time.
    """
    serving = Backend.objects.live().filter(is_reporting(now), status=BackendStatus.ACTIVE)
    free = Q(status=DeviceStatus.IDLE, holder__isnull=True, backend__in=serving.values("pk"))
    mine = Device.objects.filter(backend__deleted_at__isnull=True).order_by()
    held = mine.alias(holder=FilteredRelation("allocations", condition=Q(allocations__ended_at__isnull=True)))
    nodes = held.values("backend").annotate(held=Count("holder"), free=Count("pk", filter=free), all=Count("pk"))
    found = nodes.aggregate(
        used_nodes=Count("backend", filter=Q(held__gt=0)),
        free_nodes=Count("backend", filter=Q(held=0, free__gt=0)),
        **{f"{name}_devices": Sum(name, default=0) for name in ("held", "free", "all")},
    )
    devices = _by_use(found["held_devices"], found["free_devices"], found["all_devices"])
    return _by_use(found["used_nodes"], found["free_nodes"], Backend.objects.live().count()), devices


def _by_use(used: int, available: int, everything: int) -> Tally:
    numbers = {
        Availability.IN_USE: used,
        Availability.AVAILABLE: available,
        Availability.UNAVAILABLE: everything - used - available,
    }
    return {use.value: int(number) for use, number in numbers.items() if number}


def count_live(narrow: Q) -> LiveCounts:
    """Return the number of live jobs by group and status, in one query over live jobs."""
    rows = Job.objects.filter(narrow, status__in=LIVE).order_by().values_list("group_id", "status")
    return {(group, status): (n, m) for group, status, n, m in rows.annotate(Count("pk"), Sum("num_devices"))}
