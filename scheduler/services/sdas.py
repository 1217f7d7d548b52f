from django.db import transaction
from django.db.models import QuerySet

from backends.choices import HELD, OPEN_ORDERS, DeviceStatus, OrderVerb
from backends.models import Backend, Device, Order
from backends.services import devices as backend_devices
from backends.services import nodes as backend_nodes
from backends.services.orders import NewOrder, give_orders
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import InvalidParameter, NotFound
from scheduler.choices import HOLDING, LIVE, Cause, JobStatus
from scheduler.cleaning import note_clean, note_uncleaned
from scheduler.models import Job
from scheduler.queries import jobs_on
from scheduler.reservations import hold_devices, release_devices
from scheduler.services.jobs import end_job
from scheduler.signals import queue_changed
from sda.errors import SdaInUse
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.queries import backend_group_of
from sda.services import sdas
from tokens.models import Token


@transaction.atomic
def create_sda(
    token: Token,
    model: SdaModel,
    *,
    actor: Actor,
    alias: str = "",
    group: SdaModelGroup | None = None,
    reserved: bool = False,
) -> Sda:
    """Give the token an accelerator, with its devices at once when it is reserved.

    Raises ModelNotAllowed, MaxSdaReached, NotEnoughDevices (then nothing is created).
    """
    sda = sdas.create_sda(token, model, actor=actor, alias=alias, group=group, reserved=reserved)
    if reserved:
        hold_devices(sda)
    return sda


@transaction.atomic
def switch_model(sda: Sda, model: SdaModel, *, actor: Actor, group: SdaModelGroup | None = None) -> Sda:
    """Give an idle SDA another model; a reserved one changes its devices too.

    Raises SdaInUse while a job waits for it or holds it, ModelNotAllowed, NotEnoughDevices.
    """
    _require_idle(sda)
    if sda.reserved:
        _give_back(sda)
    switched = sdas.switch_model(sda, model, actor=actor, group=group)
    if sda.reserved:
        hold_devices(switched)
    return switched


@transaction.atomic
def delete_sda(sda: Sda, *, actor: Actor, force: bool = False) -> None:
    """Delete an SDA and give back what it had reserved. Raises SdaInUse unless `force` cancels its jobs."""
    if force:
        cancel_jobs_of(sda, cause=Cause.BY_OPERATOR, actor=actor)
    _require_idle(sda)
    if sda.reserved:
        _give_back(sda)
    sdas.delete_sda(sda, actor=actor)


@transaction.atomic
def cancel_jobs_of(sda: Sda, *, cause: Cause, actor: Actor) -> int:
    """Cancel every live job of an SDA; give how many there were."""
    live = list(Job.objects.filter(sda=sda, status__in=LIVE).order_by("pk").values_list("pk", flat=True))
    return sum(end_job(pk, JobStatus.CANCELED, cause=cause, actor=actor) for pk in live)


@transaction.atomic
def reset_sda(sda: Sda, *, actor: Actor) -> list[int]:
    """Stop what runs on an SDA because its user wants so, and give the jobs' ids; waiting jobs stay."""
    held = list(Job.objects.filter(sda=sda, status__in=HOLDING).order_by("pk").values_list("pk", flat=True))
    return [pk for pk in held if end_job(pk, JobStatus.CANCELED, cause=Cause.BY_USER, actor=actor)]


@transaction.atomic
def set_device_status(
    backend: Backend, status: DeviceStatus, *, actor: Actor, index: int | None = None, force: bool = False
) -> dict[int, str]:
    """Set devices to SHUTDOWN, IDLE or BUSY; held ones drain, or lose their jobs with `force`.

    Give `changed` or `draining` per index. Raises InvalidParameter for another status, NotFound.
    """
    if status not in (DeviceStatus.SHUTDOWN, DeviceStatus.IDLE, DeviceStatus.BUSY):
        raise InvalidParameter(parameter="status")
    chosen = Device.objects.filter(backend=backend, **({} if index is None else {"index": index}))
    if not chosen.exists():
        raise NotFound(id=backend.pk, device=index)
    if force and status != DeviceStatus.IDLE:
        _end_jobs_on(chosen.filter(status__in=HELD), actor)
    indexes = list(chosen.values_list("index", flat=True))
    return backend_devices.set_device_status(backend, status, actor=actor, indexes=indexes)


@transaction.atomic
def drain_backend(backend: Backend, *, actor: Actor) -> dict[int, str]:
    """Shut a node's devices down as their jobs end."""
    return set_device_status(backend, DeviceStatus.SHUTDOWN, actor=actor)


@transaction.atomic
def delete_backend(backend: Backend, *, actor: Actor, force: bool = False) -> None:
    """Delete a node. Raises BackendInUse, ActionUnderWay unless `force`, which cancels its jobs first."""
    if force:
        _end_jobs_on(Device.objects.filter(backend=backend), actor)
    backend_nodes.delete_backend(backend, actor=actor, force=force)
    note_clean(list(Device.objects.filter(backend=backend).values_list("pk", flat=True)))


@transaction.atomic
def check_backend(backend: Backend) -> None:
    """Have the node's agent run its health check, unless one is asked for already."""
    open_checks = Order.objects.filter(backend=backend, verb=OrderVerb.CHECK, state__in=OPEN_ORDERS)
    if not open_checks.exists():
        give_orders([NewOrder(backend.pk, OrderVerb.CHECK)])


def _end_jobs_on(devices: QuerySet[Device], actor: Actor) -> None:
    for job_id in jobs_on(list(devices.values_list("pk", flat=True))):
        end_job(job_id, JobStatus.CANCELED, cause=Cause.BY_OPERATOR, actor=actor)


def _require_idle(sda: Sda) -> None:
    """Lock an SDA against new jobs. Raises SdaInUse, NotFound."""
    if not Sda.objects.live().select_for_update().filter(pk=sda.pk).exists():
        raise NotFound(sdaId=sda.pk)
    if Job.objects.filter(sda=sda, status__in=LIVE).exists():
        raise SdaInUse(sdaId=sda.pk)


def _give_back(sda: Sda) -> None:
    """End a reservation; its devices become free when their agents have cleaned them."""
    ids = release_devices(sda)
    freed = Device.objects.filter(pk__in=ids)
    backend_devices.move_devices(ids, DeviceStatus.CLEANING)
    for backend in Backend.objects.filter(devices__in=freed.values("pk")).distinct():
        mine = freed.filter(backend=backend)
        backend_devices.clean_devices(backend, list(mine.values_list("index", flat=True)))
    note_uncleaned(ids)
    queue_changed.send(Job, group_id=backend_group_of(sda))
