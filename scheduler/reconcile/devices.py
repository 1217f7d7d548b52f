"""Devices whose status is not what those who hold or clean them say."""

from collections.abc import Collection

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from backends.choices import HELD, OPEN_ORDERS, DeviceStatus, OrderVerb, Why
from backends.models import Device, Order
from backends.services.devices import clean_devices, move_devices
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING, JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries import OPEN
from scheduler.reconcile.looks import Look

HOLDERS = Allocation.objects.filter(OPEN, device=OuterRef("pk"))
CLEANERS = Order.objects.filter(pk=OuterRef("cleaner"), state__in=OPEN_ORDERS)
ON_ITS_SDA = Job.objects.filter(sda=OuterRef("sda"), status__in=HOLDING)


def send_to_clean(devices: Collection[int]) -> None:
    """Have devices cleaned, those under a worker when it has left."""
    move_devices(devices, DeviceStatus.CLEANING)
    clean_unattended(devices)


def clean_unattended(devices: Collection[int]) -> None:
    """Order the cleaning of those devices that wait for nobody to leave."""
    for device in _unattended().filter(pk__in=devices).select_related("backend"):
        clean_devices(device.backend, [device.index])


def _unattended() -> QuerySet[Device]:
    """A device waits to be cleaned only while a worker has to leave it first."""
    dirty = Device.objects.filter(status=DeviceStatus.CLEANING, cleaner=None)
    nodes = set(dirty.values_list("backend_id", flat=True))
    present = Worker.objects.filter(backend__in=nodes).exclude(state=WorkerState.GONE)
    stops = Order.objects.filter(backend__in=nodes, verb=OrderVerb.STOP, state__in=OPEN_ORDERS)
    parts = [*present.values_list("backend_id", "devices"), *stops.values_list("backend_id", "devices")]
    left = {(node, index) for node, indexes in parts for index in indexes}
    alone = [pk for pk, *place in dirty.values_list("pk", "backend_id", "index") if tuple(place) not in left]
    return Device.objects.filter(pk__in=alone)


def _clean(device: Device) -> str:
    clean_unattended([device.pk])
    return "CLEANING, but nobody was to clean it"


def _cleaner_gone() -> QuerySet[Device]:
    """The order whose answer makes a device clean has not been answered yet."""
    waiting = Device.objects.filter(status=DeviceStatus.CLEANING, cleaner__isnull=False)
    return waiting.filter(~Exists(CLEANERS))


def _clean_again(device: Device) -> str:
    Device.objects.filter(pk=device.pk).update(cleaner=None)
    clean_unattended([device.pk])
    return "CLEANING by an order that is settled"


def _held_by_nobody() -> QuerySet[Device]:
    """A device that is being used is used by somebody."""
    return Device.objects.filter(~Exists(HOLDERS), status__in=HELD)


def _take_back(device: Device) -> str:
    send_to_clean([device.pk])
    return f"{device.status}, but nobody held it"


def _reserved_and_used() -> QuerySet[Device]:
    """Who only reserved a device does not use it."""
    unused = HOLDERS.filter(~Exists(ON_ITS_SDA), job=None)
    return Device.objects.filter(Exists(unused), status=DeviceStatus.PROCESSING)


def _empty(device: Device) -> str:
    send_to_clean([device.pk])
    return "PROCESSING, but no job ran on its reservation"


def _idle_with_holder() -> QuerySet[Device]:
    """A device that somebody holds is not free."""
    return Device.objects.filter(Exists(HOLDERS), status=DeviceStatus.IDLE)


def _hold(device: Device) -> str:
    move_devices([device.pk], DeviceStatus.PREPARING)
    _follow_job(device)
    return "IDLE, but somebody held it"


def _follow_job(device: Device) -> None:
    """Give a held device the status that goes with its job."""
    held = Allocation.objects.get(OPEN, device=device)
    running = Job.objects.filter(status=JobStatus.RUNNING)
    if (running.filter(pk=held.job_id) if held.job_id else running.filter(sda=held.sda_id)).exists():
        move_devices([device.pk], DeviceStatus.PROCESSING)


def _out_under_a_job() -> QuerySet[Device]:
    """What an operator takes out of service while a job holds it drains."""
    out = Q(status=DeviceStatus.BUSY) | Q(status=DeviceStatus.SHUTDOWN, why=Why.OPERATOR)
    return Device.objects.filter(out, Exists(HOLDERS.filter(job__status__in=HOLDING)))


def _drain(device: Device) -> str:
    now = db_now()
    Device.objects.filter(pk=device.pk).update(
        status=DeviceStatus.PREPARING, why=Why.NONE, drain_to=device.status, since=now
    )
    _follow_job(device)
    return f"{device.status}, but a job held it"


def _drained_but_idle() -> QuerySet[Device]:
    """A device that drains does not come back."""
    return Device.objects.filter(status=DeviceStatus.IDLE).exclude(drain_to="")


def _take_out(device: Device) -> str:
    why = Why.OPERATOR if device.drain_to == DeviceStatus.SHUTDOWN else Why.NONE
    Device.objects.filter(pk=device.pk).update(status=F("drain_to"), why=why, drain_to="", since=db_now())
    return f"IDLE, but it was to be {device.drain_to}"


LOOKS = (
    Look(_held_by_nobody, _take_back),
    Look(_reserved_and_used, _empty),
    Look(_idle_with_holder, _hold),
    Look(_out_under_a_job, _drain),
    Look(_drained_but_idle, _take_out),
    Look(_cleaner_gone, _clean_again),
    Look(_unattended, _clean),
)
