from collections.abc import Iterable, Mapping

from django.db import transaction

from backends.choices import EDGES, HEALED_BY_HELLO, HELD, DeviceStatus, OrderVerb, Why
from backends.models import Backend, Device, Order
from backends.services.orders import NewOrder, give_orders
from backends.signals import devices_freed
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now

BEFORE: Mapping[DeviceStatus, list[DeviceStatus]] = {
    status: [come_from for come_from, goes_to in EDGES.items() if status in goes_to] for status in DeviceStatus
}


def move_devices(ids: Iterable[int], status: DeviceStatus, *, why: Why = Why.NONE) -> int:
    """Move devices along a legal edge; give how many moved. The caller's transaction, lock and event.

    Whatever order was to clean them before is void.
    """
    movable = Device.objects.filter(pk__in=list(ids), status__in=BEFORE[status])
    return movable.update(status=status, why=why, cleaner=None, since=db_now())


@transaction.atomic
def set_device_status(
    backend: Backend, status: DeviceStatus, *, actor: Actor, indexes: Iterable[int] | None = None
) -> dict[int, str]:
    """Set devices to SHUTDOWN, IDLE or BUSY as an operator wishes; give `changed` or `draining` per index.

    A device that is held or being cleaned drains: it changes when it is clean again.
    """
    devices = Device.objects.select_for_update().filter(backend=backend)
    if indexes is not None:
        devices = devices.filter(index__in=list(indexes))
    verdicts = {}
    for device in devices.order_by("index"):
        verdicts[device.index] = _set(device, status)
    record("SET_DEVICE_STATUS", actor=actor, subject=f"backend/{backend.pk}", status=status, devices=sorted(verdicts))
    devices_freed.send(Device, group_ids=[backend.group_id])
    return verdicts


def _set(device: Device, status: DeviceStatus) -> str:
    if device.status in (*HELD, DeviceStatus.CLEANING):
        wish = "" if status == DeviceStatus.IDLE else status
        Device.objects.filter(pk=device.pk).update(drain_to=wish)
        return "draining" if wish else "changed"
    why = Why.OPERATOR if status == DeviceStatus.SHUTDOWN else Why.NONE
    Device.objects.filter(pk=device.pk).update(status=status, why=why, drain_to="", since=db_now())
    return "changed"


def finish_cleaning(order: Order) -> None:
    """Believe the agent that the devices of a CLEAN order are clean: IDLE, or what they were draining to.

    Devices that were given to another order meanwhile are not touched.
    """
    clean = Device.objects.filter(backend=order.backend_id, cleaner=order.pk, status=DeviceStatus.CLEANING)
    now = db_now()
    for wish in (DeviceStatus.SHUTDOWN, DeviceStatus.BUSY):
        why = Why.OPERATOR if wish == DeviceStatus.SHUTDOWN else Why.NONE
        clean.filter(drain_to=wish).update(status=wish, why=why, drain_to="", since=now)
    if clean.filter(drain_to="").update(status=DeviceStatus.IDLE, why=Why.NONE, since=now):
        devices_freed.send(Device, group_ids=[order.backend.group_id])


def clean_devices(backend: Backend, indexes: Iterable[int]) -> None:
    """Have the agent clean devices that wait for it, or that only its absence had shut down."""
    chosen = Device.objects.filter(backend=backend, index__in=list(indexes))
    asleep = chosen.filter(status=DeviceStatus.SHUTDOWN, why__in=HEALED_BY_HELLO)
    asleep.update(status=DeviceStatus.CLEANING, why=Why.NONE, cleaner=None, since=db_now())
    dirty = chosen.filter(status=DeviceStatus.CLEANING, cleaner=None)
    found = sorted(dirty.values_list("index", flat=True))
    if found:
        (order_id,) = give_orders([NewOrder(backend.pk, OrderVerb.CLEAN, devices=found)])
        dirty.update(cleaner=order_id)
