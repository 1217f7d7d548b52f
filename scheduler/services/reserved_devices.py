"""Devices of reserved SDAs, held from creation to deletion; `scheduler.cycle.reserved` starts jobs on them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Greatest

from backends.binding import usable_nodes
from backends.choices import DeviceStatus
from backends.models import Device
from backends.services.devices import transition_devices
from core.clock import db_now, to_ms
from scheduler.cycle.limits import is_draining, read_limits
from scheduler.cycle.load import load
from scheduler.errors import GroupDraining, NotEnoughDevices, OverLimit
from scheduler.models import Allocation
from scheduler.policy.decisions import OVER_LIMITS, PendingReason, Placed, Waits
from scheduler.policy.maintenance import ENDLESS_MS, may_take
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Limits, QueuedRequest, Rules, Snapshot
from scheduler.queries.allocations import OPEN, ended_after, start_after
from sda.models import Sda
from sda.queries import backend_group_of

RESERVED = OPEN & Q(job__isnull=True)


def reserve_devices(sda: Sda) -> datetime:
    """Reserve the devices of a reserved SDA in the caller's transaction; return since when they are held.

    The plan treats it as a job that is alone in the queue, so the limits of its token and a draining group count. It
    never ends, so nodes with a maintenance window are left out.
    Raises NotEnoughDevices, OverLimit, GroupDraining.
    """
    if is_draining(backend_group_of(sda)):
        raise GroupDraining(group=backend_group_of(sda))
    snapshot = load(backend_group_of(sda))
    return _reserve(sda, sda.model.num_devices, snapshot, _limits_of(sda), lasts_ms=ENDLESS_MS)


def reserve_missing(sda: Sda) -> None:
    """Reserve the devices that a reserved SDA lacks; on the same node if its group does not combine nodes.

    A stopped token keeps what it has reserved, so the stop does not matter here. Nor does a window that has not begun:
    what the SDA still holds is there as well.
    Raises NotEnoughDevices, OverLimit, GroupDraining.
    """
    held = Allocation.objects.filter(RESERVED, sda=sda)
    nodes = set(held.values_list("device__backend_id", flat=True))
    missing = sda.model.num_devices - held.count()
    if missing > 0:
        snapshot = load(backend_group_of(sda))
        nodes_left = tuple(node for node in snapshot.nodes if snapshot.combine or not nodes or node.id in nodes)
        limits = replace(_limits_of(sda), stopped=frozenset())
        _reserve(sda, missing, replace(snapshot, nodes=nodes_left), limits)


def _limits_of(sda: Sda) -> Limits:
    return read_limits([sda.token_id], lock=True)


def _reserve(sda: Sda, count: int, snapshot: Snapshot, limits: Limits, *, lasts_ms: int | None = None) -> datetime:
    chosen, nodes = _choose(sda, count, snapshot, limits, lasts_ms)
    now_ms = to_ms(db_now())
    usable = [
        node
        for node, at in usable_nodes(nodes, group_id=snapshot.group_id).items()
        if may_take(None if at is None else to_ms(at), now_ms, lasts_ms)
    ]
    idle = Device.objects.select_for_update().filter(backend__in=usable, status=DeviceStatus.IDLE)
    devices = list(idle.filter(pk__in=chosen).order_by("pk"))
    missing = count - len(devices)
    if missing:
        raise NotEnoughDevices(needed=count, missing=missing)
    now, taken = db_now(), {device.pk for device in devices}
    start = start_after(now, ended_after(now), taken, sda=sda.pk)
    transition_devices(taken, DeviceStatus.PREPARING)
    billed = {"token_id": sda.token_id, "sda_model_id": sda.model_id, "group_id": backend_group_of(sda)}
    Allocation.objects.bulk_create(Allocation(sda=sda, device=device, started_at=start, **billed) for device in devices)
    return start


def _choose(
    sda: Sda, count: int, snapshot: Snapshot, limits: Limits, lasts_ms: int | None
) -> tuple[list[int], set[int]]:
    """Return the ids of the devices to take, and of their nodes."""
    alone = QueuedRequest(0, sda.token_id, sda.pk, devices=count, priority=0, requested_ms=0, limit_ms=lasts_ms)
    rules = Rules(draining=snapshot.rules.draining, one_rack=snapshot.rules.one_rack)
    (decision,) = plan(replace(snapshot, queue=(alone,), sda_slots={}, rules=rules, running=(), limits=limits))
    if not isinstance(decision, Placed):
        raise _refusal(decision, snapshot.group_id)
    masks = dict(decision.devices)
    rows = Device.objects.filter(backend__in=masks).values_list("pk", "backend_id", "index")
    return [pk for pk, backend_id, index in rows if masks[backend_id] >> index & 1], set(masks)


def _refusal(waits: Waits, group_id: int) -> NotEnoughDevices | OverLimit | GroupDraining:
    if waits.reason is PendingReason.GROUP_DRAINING:
        return GroupDraining(group=group_id)
    if waits.reason in OVER_LIMITS:
        return OverLimit(needed=waits.needed, available=waits.available)
    missing = max(1, waits.needed - waits.available)
    return NotEnoughDevices(needed=waits.needed, available=waits.available, missing=missing)


def release_devices(sda: Sda, allocations: Collection[int] | None = None) -> list[int]:
    """End the allocations of a reserved SDA (or these of them); return their devices' ids, which the caller cleans."""
    held = Allocation.objects.filter(RESERVED, sda=sda)
    if allocations is not None:
        held = held.filter(pk__in=allocations)
    devices = list(held.values_list("device_id", flat=True))
    held.update(ended_at=Greatest(F("started_at"), Value(db_now())))
    return devices


def reserved_on(devices: Collection[int]) -> QuerySet[Allocation]:
    """Return what reserved SDAs hold of these devices."""
    return Allocation.objects.filter(RESERVED, device__in=devices)


def reserve_again(devices: Sequence[int]) -> None:
    """Set clean devices that a reserved SDA holds to PREPARING again, before a plan takes them as free."""
    transition_devices(list(reserved_on(devices).values_list("device_id", flat=True)), DeviceStatus.PREPARING)
