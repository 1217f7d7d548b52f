"""Nodes and devices: take them out of service, bring them back and delete them, with the jobs that use them."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet

from backends.choices import HELD, OPEN_ORDERS, BackendStatus, DeviceStatus, OrderVerb
from backends.errors import BackendInUse
from backends.models import Backend, Device, Order
from backends.services import devices as backend_devices
from backends.services import nodes as backend_nodes
from backends.services.maintenance import keep_drained, leave_maintenance
from backends.services.orders import NewOrder, give_orders
from core.errors import DomainError, InvalidParameter, NotFound
from core.tombstone import hold
from events.actor import Actor
from events.services import record
from scheduler.choices import HOLDING, Cause, JobStatus
from scheduler.models import Job
from scheduler.queries.jobs import jobs_on
from scheduler.services.cleaning import note_clean
from scheduler.services.jobs import end_jobs
from scheduler.services.reserved_devices import release_devices, reserve_again, reserve_missing, reserved_on
from scheduler.signals import queue_changed
from sda.models import Sda


@transaction.atomic
def set_device_status(
    backend: Backend, status: DeviceStatus, *, actor: Actor, index: int | None = None, force: bool = False
) -> dict[int, str]:
    """Set devices to SHUTDOWN, IDLE or BUSY; held ones drain, or lose their jobs with `force`.

    Return `changed`, `unchanged` or `draining` by index. Raises InvalidParameter for another status, NotFound.
    """
    if status not in (DeviceStatus.SHUTDOWN, DeviceStatus.IDLE, DeviceStatus.BUSY):
        raise InvalidParameter(parameter="status")
    chosen = Device.objects.filter(backend=backend, **({} if index is None else {"index": index}))
    if not chosen.exists():
        raise NotFound(id=backend.pk, device=index)
    ended = set()
    if force and status != DeviceStatus.IDLE:
        ended = set(chosen.filter(status__in=HELD).values_list("index", flat=True))
        _end_jobs_on(chosen.filter(status__in=HELD), actor)
    indexes = list(chosen.values_list("index", flat=True))
    unused = set() if status == DeviceStatus.IDLE else unused_devices(chosen)
    results = backend_devices.set_device_status(backend, status, actor=actor, indexes=indexes, unused=unused)
    reserve_again(list(chosen.values_list("pk", flat=True)))
    still = {index for index in ended if results[index] == backend_devices.UNCHANGED}  # drained already, lost its job
    return results | dict.fromkeys(still, backend_devices.DRAINING)


@transaction.atomic
def drain_backend(backend: Backend, *, actor: Actor, after_maintenance: bool = True) -> dict[int, str]:
    """Drain a node: its devices go out of service as their jobs end. Return the result by index.

    `after_maintenance`: what a maintenance window has drained stays out of service when that ends.
    """
    kept = after_maintenance and keep_drained(backend, actor=actor)
    unused = unused_devices(Device.objects.filter(backend=backend))
    results = backend_devices.drain_devices(backend, actor=actor, unused=unused)
    return dict.fromkeys(results, backend_devices.CHANGED) if kept else results


@transaction.atomic
def activate_backend(backend: Backend, *, actor: Actor) -> tuple[bool, int]:
    """Put a node into service and end its drain; return whether the node changed, and how many devices did.

    If a maintenance window lasts, the node leaves it.
    """
    left = leave_maintenance(backend, actor=actor)
    devices = backend_devices.end_drain(backend, actor=actor)
    changed = backend_nodes.set_backend_status(backend, BackendStatus.ACTIVE, actor=actor)
    reserve_again(devices)
    if left and not devices:
        queue_changed.send(Backend, group_id=backend.group_id)
    return changed or left, len(devices)


@transaction.atomic
def delete_backend(backend: Backend, *, actor: Actor, force: bool = False) -> None:
    """Delete a node. Raises BackendInUse, ActionUnderWay unless `force`.

    `force` cancels its jobs first. Reserved SDAs get their devices from other nodes, as far as these are free.
    """
    devices = Device.objects.filter(backend=backend)
    ids = list(devices.values_list("pk", flat=True))
    incomplete: list[Sda] = []
    if force:
        _end_jobs_on(devices, actor)
        incomplete = _end_reservations_on(ids, actor)
    backend_nodes.delete_backend(backend, actor=actor, force=force)
    if reserved_on(ids).exists():  # checked last, because the devices are locked now
        raise BackendInUse(id=backend.pk)
    note_clean(ids)
    for sda in incomplete:
        _complete(sda)


@transaction.atomic
def check_backend(backend: Backend) -> bool:
    """Order the node's agent to run its health check; return False if such an order is open already.

    Raises Conflict for a deleted node.
    """
    hold(backend)
    open_checks = Order.objects.filter(backend=backend, verb=OrderVerb.CHECK, state__in=OPEN_ORDERS)
    if open_checks.exists():
        return False
    give_orders([NewOrder(backend.pk, OrderVerb.CHECK)])
    return True


def unused_devices(devices: QuerySet[Device]) -> set[int]:
    """Lock devices; return those that a reserved SDA holds while none of its jobs runs."""
    locked = list(devices.select_for_update().order_by("pk").values_list("pk", "status"))
    waiting = [pk for pk, status in locked if status == DeviceStatus.PREPARING]
    busy = Job.objects.filter(status__in=HOLDING, sda__reserved=True).values("sda")
    return set(reserved_on(waiting).exclude(sda__in=busy).values_list("device_id", flat=True))


def _end_jobs_on(devices: QuerySet[Device], actor: Actor) -> None:
    jobs = jobs_on(list(devices.values_list("pk", flat=True)))
    end_jobs(jobs, JobStatus.CANCELED, cause=Cause.BY_OPERATOR, actor=actor)


def _end_reservations_on(devices: Iterable[int], actor: Actor) -> list[Sda]:
    """End the allocations of reserved SDAs on these devices; return the SDAs."""
    held = list(reserved_on(list(devices)).select_related("sda__model", "sda__model_group").order_by("sda_id", "pk"))
    sdas = {allocation.sda_id: allocation.sda for allocation in held}
    for sda in sdas.values():
        mine = [allocation.pk for allocation in held if allocation.sda_id == sda.pk]
        freed = release_devices(sda, mine)
        backend_devices.transition_devices(freed, DeviceStatus.CLEANING)
        record("RESERVATION_LOST", actor=actor, subject=f"sda/{sda.pk}", token_id=sda.token_id, devices=len(freed))
    return list(sdas.values())


def _complete(sda: Sda) -> None:
    """Reserve what a reserved SDA lacks; if that is not free, the reconciler tries again and raises an alert."""
    try:
        with transaction.atomic():
            reserve_missing(sda)
    except DomainError:
        return
