"""Who holds devices now, as lists of devices and SDAs show it on the wire."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from backends.models import Device
from scheduler.choices import HOLDING
from scheduler.models import Allocation, Job
from scheduler.queries.allocations import OPEN
from sda.models import Sda

HolderFields = tuple[int | None, int, str, str]
"""Id of the job (None: a reserved SDA without one), id of the SDA, value of the token, name of the process."""


def holders_of(devices: QuerySet[Device]) -> Mapping[int, HolderFields]:
    """Return who holds each of some devices, by the device's id: two queries."""
    reserved = Job.objects.filter(status__in=HOLDING, sda__reserved=True)
    running = {sda: (job, name) for sda, job, name in reserved.values_list("sda_id", "pk", "process_name")}
    held = Allocation.objects.filter(OPEN, device__in=devices.values("pk"))
    found: dict[int, HolderFields] = {}
    for device, job, sda, value, name in held.values_list(
        "device_id", "job_id", "sda_id", "token__value", "job__process_name"
    ):
        mine = (job, name) if job else running.get(sda, (None, ""))
        found[device] = (mine[0], sda, value, mine[1])
    return found


def devices_held_by(sdas: QuerySet[Sda]) -> QuerySet[Any]:
    """Return, as a subquery, the ids of the devices that some SDAs hold."""
    return Allocation.objects.filter(OPEN, sda__in=sdas.values("pk")).values("device")
