"""Devices: their models, and those that are out of service."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from backends.choices import HEALED_BY_HELLO, BackendStatus, DeviceStatus, ShutdownReason
from backends.models import Backend, Device

TAKEN_OUT = Q(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.OPERATOR) | Q(status=DeviceStatus.BUSY) | ~Q(drain_to="")
"""Devices that an operator has taken out of service, or that drain to be out of service."""


def device_models() -> list[str]:
    """Return the models of all devices. To leave deleted nodes out would double the cost."""
    return sorted(set(Device.objects.order_by().values_list("model", flat=True).distinct()) - {""})


def last_indexes(backend_ids: Iterable[int]) -> Mapping[int, int]:
    """Return the highest index of a device of each of some nodes, by the node's id."""
    found = Device.objects.filter(backend__in=list(backend_ids)).order_by().values_list("backend_id")
    return dict(found.annotate(Max("index")))


def devices_among(pks: QuerySet[Any]) -> QuerySet[Device]:
    """Return the devices that a subquery of ids finds."""
    return Device.objects.filter(pk__in=pks)


def backends_with(pks: QuerySet[Any]) -> QuerySet[Backend]:
    """Return the nodes, deleted ones too, of the devices that a subquery of ids finds."""
    nodes: QuerySet[Backend] = Backend.objects.filter(devices__in=pks).distinct()
    return nodes


def devices_taken_out(backend: Backend) -> int:
    """Count the devices of a node that an operator took out of service one by one, not by a drain of the node."""
    return Device.objects.filter(TAKEN_OUT, backend=backend, drained=False).count()


def devices_without_agent(backend: Backend) -> int:
    """Count the devices of a node that are out of service until its agent says hello."""
    return Device.objects.filter(backend=backend, status=DeviceStatus.SHUTDOWN, why__in=HEALED_BY_HELLO).count()


def out_of_service(groups: Iterable[int]) -> dict[int, int]:
    """Count, by node of these groups, the devices that are out of service until an operator brings them back."""
    node = Q(backend__status=BackendStatus.SHUTDOWN, backend__why=ShutdownReason.OPERATOR)
    mine = Device.objects.filter(TAKEN_OUT | node, backend__group__in=list(groups), backend__deleted_at__isnull=True)
    return dict(mine.order_by().values_list("backend_id").annotate(devices=Count("pk")))


def memory_of_a_device(group_id: int) -> int:
    """Return the memory (MiB) of some device of the group; 0 when that of none is known."""
    known = Device.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True, total_memory__gt=0)
    return known.order_by().values_list("total_memory", flat=True).first() or 0
