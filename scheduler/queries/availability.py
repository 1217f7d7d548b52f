"""Whether nodes and devices are in use, available or unavailable, as expressions for lists and counts."""

from datetime import datetime

from django.db.models import (
    Case,
    CharField,
    Q,
    Value,
    When,
)

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, Device
from backends.queries import is_reporting
from scheduler.choices import Availability
from scheduler.models import Allocation
from scheduler.queries.allocations import OPEN


def node_availability(now: datetime) -> Case:
    """Return, as an expression on Backend, its Availability.

    In use: one of its devices is held by a job or a reserved SDA, whatever the state of the node. Available: not in
    use, ACTIVE, reporting, and with an idle device. Unavailable: every other.
    """
    held = Q(pk__in=Allocation.objects.filter(OPEN).values("device__backend"))
    idle = Q(pk__in=Device.objects.filter(status=DeviceStatus.IDLE).values("backend"))
    return _use(held, Q(is_reporting(now), idle, status=BackendStatus.ACTIVE))


def device_availability(now: datetime) -> Case:
    """Return, as an expression on Device, its Availability.

    In use: held by a job or a reserved SDA. Available: idle, on an ACTIVE node that reports, so a job may get it
    now. Unavailable: every other: shut down, cleaning, kept out, or on a node that is silent or takes no jobs.
    """
    held = Q(pk__in=Allocation.objects.filter(OPEN).values("device"))
    serving = Backend.objects.live().filter(is_reporting(now), status=BackendStatus.ACTIVE)
    return _use(held, Q(status=DeviceStatus.IDLE, backend__in=serving.values("pk")))


def _use(held: Q, ready: Q) -> Case:
    return Case(
        When(held, then=Value(Availability.IN_USE.value)),
        When(ready, then=Value(Availability.AVAILABLE.value)),
        default=Value(Availability.UNAVAILABLE.value),
        output_field=CharField(),
    )
