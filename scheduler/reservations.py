"""Reserved SDAs: their devices are held from creation to deletion, and their jobs start on them at once."""

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from backends.choices import DeviceStatus
from backends.models import Device
from backends.services.devices import move_devices
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING
from scheduler.errors import NotEnoughDevices
from scheduler.grants import Grant, Waiting, begin_jobs
from scheduler.lease import Lease
from scheduler.load import load
from scheduler.models import WAITING, Allocation, Job
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Placed, Reason
from scheduler.policy.snapshot import Request, Snapshot
from scheduler.queries import OPEN
from scheduler.telling import tell_stopped
from sda.models import Sda
from sda.queries import backend_group_of


def hold_devices(sda: Sda) -> None:
    """Take the devices of a reserved SDA now, in the caller's transaction. Raises NotEnoughDevices.

    Asks the same policy as jobs do, as the only one in the queue. Queries of the free devices lock them.
    """
    _hold(sda, sda.model.num_devices, load(backend_group_of(sda)))


def hold_missing(sda: Sda) -> None:
    """Take what a reserved SDA lacks, where its group does not combine on the same node. Raises NotEnoughDevices."""
    held = Allocation.objects.filter(OPEN, sda=sda, job__isnull=True)
    nodes = set(held.values_list("device__backend_id", flat=True))
    missing = sda.model.num_devices - held.count()
    if missing > 0:
        world = load(backend_group_of(sda))
        beside = tuple(node for node in world.nodes if world.combine or not nodes or node.id in nodes)
        _hold(sda, missing, replace(world, nodes=beside))


def _hold(sda: Sda, count: int, world: Snapshot) -> None:
    chosen = _choose(sda, count, world)
    devices = list(Device.objects.select_for_update().filter(pk__in=chosen, status=DeviceStatus.IDLE))
    missing = count - len(devices)
    if missing:
        raise NotEnoughDevices(needed=count, missing=missing)
    now = db_now()
    move_devices([device.pk for device in devices], DeviceStatus.PREPARING)
    billed = {"token_id": sda.token_id, "sda_model_id": sda.model_id, "group_id": backend_group_of(sda)}
    Allocation.objects.bulk_create(Allocation(sda=sda, device=device, started_at=now, **billed) for device in devices)


def _choose(sda: Sda, count: int, world: Snapshot) -> list[int]:
    alone = Request(id=0, token_id=sda.token_id, sda_id=sda.pk, devices=count, priority=0, requested_ms=0)
    (decision,) = plan(
        Snapshot(world.group_id, world.combine, world.nodes, (alone,), world.capacity, world.largest_node, {})
    )
    if not isinstance(decision, Placed):
        missing = max(1, decision.needed - decision.available)
        raise NotEnoughDevices(needed=decision.needed, available=decision.available, missing=missing)
    masks = dict(decision.devices)
    rows = Device.objects.filter(backend__in=masks).values_list("pk", "backend_id", "index")
    return [pk for pk, backend_id, index in rows if masks[backend_id] >> index & 1]


def release_devices(sda: Sda, allocations: Sequence[int] | None = None) -> list[int]:
    """End the allocations of a reserved SDA (or these of them) and give their devices' ids; the caller cleans them."""
    held = Allocation.objects.filter(OPEN, sda=sda, job__isnull=True)
    if allocations is not None:
        held = held.filter(pk__in=allocations)
    devices = list(held.values_list("device_id", flat=True))
    held.update(ended_at=db_now())
    return devices


def hold_again(devices: Sequence[int]) -> None:
    """Take clean devices that a reserved SDA holds out of the pool again, before anybody else sees them."""
    reserved = Allocation.objects.filter(OPEN, device__in=devices, job__isnull=True)
    move_devices(list(reserved.values_list("device_id", flat=True)), DeviceStatus.PREPARING)


def start_reserved(lease: Lease) -> None:
    """Start the first waiting job of each reserved SDA of the group whose devices are clean and not in use."""
    waiting = Job.objects.filter(WAITING, group=lease.group_id, sda__reserved=True)
    busy = Job.objects.filter(status__in=HOLDING, sda__reserved=True).values("sda_id")
    first: dict[int, int] = {}
    rows = waiting.exclude(sda__in=busy).order_by("requested_at", "pk")
    said: dict[bool, list[int]] = {True: [], False: []}
    for pk, sda_id, stopped, reason in rows.values_list("pk", "sda_id", "token__stopped_at", "pending_reason"):
        if not stopped:
            first.setdefault(sda_id, pk)
        if bool(stopped) != (reason == Reason.TOKEN_STOPPED):
            said[bool(stopped)].append(pk)
    tell_stopped(said[True], said[False])
    for pk in first.values():
        _start(lease, pk)


@transaction.atomic
def _start(lease: Lease, job_id: int) -> None:
    lease.check()
    job = Job.objects.select_for_update(of=("self",)).filter(WAITING, pk=job_id).first()
    if job is None:
        return
    held = Device.objects.filter(allocations__sda=job.sda_id, allocations__ended_at__isnull=True)
    ready = list(held.filter(status=DeviceStatus.PREPARING).order_by("backend_id", "index"))
    known = Waiting(job.pk, job.sda_id, job.token_id, job.attempt)
    if len(ready) == job.num_devices:
        begin_jobs(
            [Grant(known, tuple((device.backend_id, device.pk, device.index) for device in ready))], reserved=True
        )
