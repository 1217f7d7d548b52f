"""The status of devices: set by operators, drained, cleaned."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When

from backends.choices import (
    DEVICE_TRANSITIONS,
    HEALED_BY_HELLO,
    HELD,
    DeviceStatus,
    OrderVerb,
    ShutdownReason,
    Verdict,
)
from backends.models import Backend, Device, Order
from backends.services.orders import NewOrder, give_orders
from backends.signals import devices_freed
from core.bulk import update_rows
from core.clock import db_now
from core.tombstone import hold
from events.actor import Actor
from events.services import record

KEPT_OUT = Q(verdict=Verdict.FAILED) | Q(in_repair=True)
"""Devices that no end of a job, of a drain or of an absence brings back: they have failed, or are under repair."""
WHY_KEPT_OUT = Case(
    When(verdict=Verdict.FAILED, then=Value(ShutdownReason.DEVICE_FAILED)), default=Value(ShutdownReason.REPAIR)
)
CHANGED, UNCHANGED, DRAINING = "changed", "unchanged", "draining"  # what becomes of a device; on the wire


def transition_devices(ids: Iterable[int], status: DeviceStatus, *, why: ShutdownReason = ShutdownReason.NONE) -> int:
    """Change the status of devices where the transition is allowed; return of how many.

    An earlier order to clean them no longer counts. The caller locks the devices and records the event.
    """
    rows = Device.objects.filter(pk__in=list(ids), status__in=DEVICE_TRANSITIONS.before(status))
    return rows.update(status=status, why=why, cleaner=None, since=db_now())


def _become(devices: QuerySet[Device], status: DeviceStatus, **fields: Any) -> int:
    """Set the status of those devices that may change to it or have it; return how many."""
    rows = devices.filter(status__in=DEVICE_TRANSITIONS.into(status))
    return rows.update(status=status, since=db_now(), **fields)


@transaction.atomic
def set_device_status(
    backend: Backend,
    status: DeviceStatus,
    *,
    actor: Actor,
    indexes: Iterable[int] | None = None,
    unused: Collection[int] = (),
) -> dict[int, str]:
    """Set devices to SHUTDOWN, IDLE or BUSY, as an operator asked; return the result for each, by index.

    The result is `changed`, `unchanged`, or `draining`: a device that is held or being cleaned changes when it is
    clean again. One that drains to this status already is unchanged. Devices whose ids are in `unused` change at once:
    a reservation holds them without a job. Raises Conflict for a deleted node.
    """
    devices = Device.objects.select_for_update().filter(backend=backend)
    if indexes is not None:
        devices = devices.filter(index__in=list(indexes))
    locked = sorted(devices.order_by("pk"), key=attrgetter("index"))
    hold(backend)
    results = {device.index: _set(device, status, device.pk in unused) for device in locked}
    if any(result != UNCHANGED for result in results.values()):
        touched = sorted(index for index, result in results.items() if result != UNCHANGED)
        record("SET_DEVICE_STATUS", actor=actor, subject=f"backend/{backend.pk}", status=status, devices=touched)
        devices_freed.send(Device, group_ids=[backend.group_id])
    return results


def _set(device: Device, status: DeviceStatus, unused: bool) -> str:
    if (device.verdict == Verdict.FAILED or device.in_repair) and status == DeviceStatus.IDLE:
        return _leave_out(device)
    if device.status in (*HELD, DeviceStatus.CLEANING) and not unused:
        target = "" if status == DeviceStatus.IDLE else status
        if target == device.drain_to and not device.drained and not device.verdict_drains:
            return UNCHANGED
        Device.objects.filter(pk=device.pk).update(drain_to=target, drained=False, verdict_drains=False)
        return DRAINING if target else CHANGED
    why = ShutdownReason.OPERATOR if status == DeviceStatus.SHUTDOWN else ShutdownReason.NONE
    if (device.status, device.why, device.drain_to, device.drained) == (status, why, "", False):
        return UNCHANGED
    _become(Device.objects.filter(pk=device.pk), status, why=why, drain_to="", drained=False)
    return CHANGED


def _leave_out(device: Device) -> str:
    """Undo what an operator did to a device that has failed or is under repair, which keeps it out of service."""
    row = Device.objects.filter(pk=device.pk)
    if device.status in (*HELD, DeviceStatus.CLEANING):
        row.update(drain_to=DeviceStatus.SHUTDOWN, drained=False, verdict_drains=True)
    elif device.status == DeviceStatus.BUSY or device.why == ShutdownReason.OPERATOR:
        _become(row, DeviceStatus.SHUTDOWN, why=WHY_KEPT_OUT, drain_to="", drained=False)
    return UNCHANGED


@transaction.atomic
def drain_devices(backend: Backend, *, actor: Actor, unused: Collection[int] = ()) -> dict[int, str]:
    """Take a node's devices out of service until the drain ends; return the result for each, as `set_device_status`.

    Devices that an operator has taken out before stay as they are. Devices that are shut down only because the agent
    is absent stay shut down when it is back. Raises Conflict for a deleted node.
    """
    locked = list(Device.objects.select_for_update().filter(backend=backend).order_by("pk"))
    hold(backend)
    by_id = drain_locked(locked, unused)
    results = {device.index: by_id[device.pk] for device in sorted(locked, key=attrgetter("index"))}
    drained = sorted(index for index, result in results.items() if result != UNCHANGED)
    if drained:
        record(
            "SET_DEVICE_STATUS",
            actor=actor,
            subject=f"backend/{backend.pk}",
            status=DeviceStatus.SHUTDOWN,
            devices=drained,
            drain=True,
        )
        devices_freed.send(Device, group_ids=[backend.group_id])
    return results


def drain_locked(locked: Iterable[Device], unused: Collection[int]) -> dict[int, str]:
    """Drain devices that the caller has locked, in at most two statements; return the result for each, by id."""
    results, at_once, later = {}, [], []
    for device in locked:
        if device.drain_to or device.status == DeviceStatus.BUSY:
            results[device.pk] = UNCHANGED
        elif device.status == DeviceStatus.IDLE or device.pk in unused:
            at_once.append(device.pk)
            results[device.pk] = CHANGED
        elif device.status == DeviceStatus.SHUTDOWN and device.why not in HEALED_BY_HELLO:
            results[device.pk] = UNCHANGED
        else:
            later.append(device.pk)
            # One that is down until its agent's hello has nothing to wait for: it only stays down after it.
            results[device.pk] = CHANGED if device.status == DeviceStatus.SHUTDOWN else DRAINING
    if at_once:
        chosen = Device.objects.filter(pk__in=at_once)
        _become(chosen, DeviceStatus.SHUTDOWN, why=ShutdownReason.OPERATOR, drained=True)
    if later:
        Device.objects.filter(pk__in=later).update(drain_to=DeviceStatus.SHUTDOWN, drained=True)
    return results


@transaction.atomic
def end_drain(backend: Backend, *, actor: Actor) -> list[int]:
    """Bring the devices back that a drain took out of service, and no others; return their ids.

    Devices that still drain stay in service; those that are shut down become IDLE. The caller makes those that a
    reservation holds PREPARING again.
    """
    rows = Device.objects.select_for_update().filter(backend=backend, drained=True).order_by("pk")
    drained = {device.pk: device.index for device in rows}
    if not drained:
        return []
    bring_back(drained)
    record("END_DRAIN", actor=actor, subject=f"backend/{backend.pk}", devices=sorted(drained.values()))
    devices_freed.send(Device, group_ids=[backend.group_id])
    return list(drained)


def bring_back(drained: Iterable[int]) -> None:
    """Bring drained devices back, which the caller has locked; those that still drain stay in service."""
    devices = Device.objects.filter(pk__in=list(drained))
    out = devices.filter(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.OPERATOR, drain_to="")
    _become(out.filter(KEPT_OUT), DeviceStatus.SHUTDOWN, why=WHY_KEPT_OUT)
    _become(out.exclude(KEPT_OUT), DeviceStatus.IDLE, why=ShutdownReason.NONE)
    devices.filter(KEPT_OUT, drain_to=DeviceStatus.SHUTDOWN).update(drained=False, verdict_drains=True)
    devices.exclude(verdict_drains=True).update(drain_to="", drained=False)


def finish_cleaning(orders: Sequence[Order]) -> None:
    """Set the devices of finished CLEAN orders to IDLE, or to what they were draining to.

    Devices that another order cleans by now are not changed. Needs the backends of the orders.
    """
    clean = cleaned_by(orders)
    kept = KEPT_OUT & Q(Q(drain_to="") | Q(verdict_drains=True))
    why = Case(When(kept, then=WHY_KEPT_OUT), default=Value(ShutdownReason.OPERATOR))
    out = clean.filter(kept | Q(drain_to=DeviceStatus.SHUTDOWN))
    _become(out, DeviceStatus.SHUTDOWN, why=why, drain_to="", verdict_drains=False)
    _become(clean.filter(drain_to=DeviceStatus.BUSY), DeviceStatus.BUSY, why=ShutdownReason.NONE, drain_to="")
    if _become(clean.filter(drain_to=""), DeviceStatus.IDLE, why=ShutdownReason.NONE):
        devices_freed.send(Device, group_ids=sorted({order.backend.group_id for order in orders}))


def cleaned_by(orders: Sequence[Order]) -> QuerySet[Device]:
    """Return the devices that are clean when these orders are done."""
    nodes, ids = {order.backend_id for order in orders}, [order.pk for order in orders]
    return Device.objects.filter(backend__in=nodes, cleaner__in=ids, status=DeviceStatus.CLEANING)


def clean_devices(backend: Backend, indexes: Iterable[int]) -> None:
    """Order the agent to clean devices that wait for it, or are shut down only because the agent was absent."""
    clean_chosen(Device.objects.filter(backend=backend, index__in=list(indexes)))


def clean_chosen(chosen: QuerySet[Device]) -> None:
    """Order the agents to clean devices as `clean_devices` does, with one order for each node.

    Devices that become CLEANING meanwhile are not in these orders.
    """
    absent = Q(status=DeviceStatus.SHUTDOWN, why__in=HEALED_BY_HELLO)
    waiting = chosen.filter(absent | Q(status=DeviceStatus.CLEANING, cleaner=None)).order_by("pk")
    nodes: dict[int, list[Device]] = {}
    locked = waiting.select_for_update(of=("self",), no_key=True)
    for device in sorted(locked, key=attrgetter("backend_id", "index")):
        nodes.setdefault(device.backend_id, []).append(device)
    given = give_orders(
        NewOrder(node, OrderVerb.CLEAN, devices=[device.index for device in devices]) for node, devices in nodes.items()
    )
    now = db_now()
    rows = (
        (device.pk, order, DeviceStatus.CLEANING.value, ShutdownReason.NONE.value, _since(device, now))
        for order, devices in zip(given, nodes.values(), strict=True)
        for device in devices
    )
    update_rows(Device, ("cleaner", "status", "why", "since"), rows)


def clean_apart(chosen: QuerySet[Device]) -> None:
    """Order the agent to clean devices each by itself: one that cannot be cleaned may have kept the others back."""
    devices = list(chosen.order_by("pk").values_list("pk", flat=True))
    Device.objects.filter(pk__in=devices).update(cleaner=None)
    for pk in devices:
        clean_chosen(Device.objects.filter(pk=pk))


def _since(device: Device, now: datetime) -> datetime | None:
    """Return since when a device waits to be cleaned; a device that waits already keeps its time."""
    return device.since if device.status == DeviceStatus.CLEANING else now
