"""Checks of devices: their status agrees with their allocations, jobs and cleaning orders."""

from collections.abc import Collection

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from backends.choices import DEVICE_TRANSITIONS, HELD, OPEN_ORDERS, DeviceStatus, OrderVerb, ShutdownReason
from backends.models import Device, Order
from backends.services.devices import clean_devices, transition_devices
from core.clock import db_now
from scheduler.choices import HOLDING, JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries.allocations import OPEN
from scheduler.reconcile.checks import Check

HOLDERS = Allocation.objects.filter(OPEN, device=OuterRef("pk"))
CLEANERS = Order.objects.filter(pk=OuterRef("cleaner"), state__in=OPEN_ORDERS)
ON_ITS_SDA = Job.objects.filter(sda=OuterRef("sda"), status__in=HOLDING)


def send_to_clean(devices: Collection[int]) -> None:
    """Set used devices CLEANING; those under a worker are cleaned after it has stopped."""
    used = Device.objects.filter(pk__in=devices, status__in=HELD)
    transition_devices(list(used.values_list("pk", flat=True)), DeviceStatus.CLEANING)
    clean_unattended(devices)


def clean_unattended(devices: Collection[int]) -> None:
    """Order the cleaning of those devices on which no worker has to stop first."""
    for device in _unattended().filter(pk__in=devices).select_related("backend"):
        clean_devices(device.backend, [device.index])


def _unattended() -> QuerySet[Device]:
    """A CLEANING device has no cleaning order only while a worker has to stop on it first."""
    dirty = Device.objects.filter(status=DeviceStatus.CLEANING, cleaner=None)
    nodes = set(dirty.values_list("backend_id", flat=True))
    present = Worker.objects.filter(backend__in=nodes).exclude(state=WorkerState.GONE)
    stops = Order.objects.filter(backend__in=nodes, verb=OrderVerb.STOP, state__in=OPEN_ORDERS)
    occupied = [*present.values_list("backend_id", "devices"), *stops.values_list("backend_id", "devices")]
    left = {(node, index) for node, indexes in occupied for index in indexes}
    alone = [pk for pk, *place in dirty.values_list("pk", "backend_id", "index") if tuple(place) not in left]
    return Device.objects.filter(pk__in=alone)


def _clean(device: Device) -> str:
    clean_unattended([device.pk])
    return "CLEANING, but nobody was to clean it"


def _cleaner_gone() -> QuerySet[Device]:
    """A CLEANING device with an order waits for the result of that order, so the order is open."""
    waiting = Device.objects.filter(status=DeviceStatus.CLEANING, cleaner__isnull=False)
    return waiting.filter(~Exists(CLEANERS))


def _clean_again(device: Device) -> str:
    Device.objects.filter(pk=device.pk).update(cleaner=None)
    clean_unattended([device.pk])
    return "CLEANING by an order that is settled"


def _held_by_nobody() -> QuerySet[Device]:
    """A device that is PREPARING or PROCESSING has an open allocation."""
    return Device.objects.filter(~Exists(HOLDERS), status__in=HELD)


def _take_back(device: Device) -> str:
    send_to_clean([device.pk])
    return f"{device.status}, but nobody held it"


def _reserved_and_used() -> QuerySet[Device]:
    """A device that is only reserved is not PROCESSING."""
    unused = HOLDERS.filter(~Exists(ON_ITS_SDA), job=None)
    return Device.objects.filter(Exists(unused), status=DeviceStatus.PROCESSING)


def _empty(device: Device) -> str:
    send_to_clean([device.pk])
    return "PROCESSING, but no job ran on its reservation"


def _idle_with_holder() -> QuerySet[Device]:
    """A device with an open allocation is not IDLE."""
    return Device.objects.filter(Exists(HOLDERS), status=DeviceStatus.IDLE)


def _hold(device: Device) -> str:
    transition_devices([device.pk], DeviceStatus.PREPARING)
    _follow_job(device)
    return "IDLE, but somebody held it"


def _follow_job(device: Device) -> None:
    """Set a held device PROCESSING if its job runs."""
    held = Allocation.objects.get(OPEN, device=device)
    running = Job.objects.filter(status=JobStatus.RUNNING)
    if (running.filter(pk=held.job_id) if held.job_id else running.filter(sda=held.sda_id)).exists():
        transition_devices([device.pk], DeviceStatus.PROCESSING)


def _out_under_a_job() -> QuerySet[Device]:
    """A device that an operator takes out of service under a job drains until the job ends."""
    out = Q(status=DeviceStatus.BUSY) | Q(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.OPERATOR)
    return Device.objects.filter(out, Exists(HOLDERS.filter(job__status__in=HOLDING)))


def _drain(device: Device) -> str:
    now = db_now()
    Device.objects.filter(pk=device.pk, status=device.status).update(
        status=DeviceStatus.PREPARING, why=ShutdownReason.NONE, drain_to=device.status, since=now
    )
    _follow_job(device)
    return f"{device.status}, but a job held it"


def _drained_but_idle() -> QuerySet[Device]:
    """A device that drains does not become IDLE."""
    return Device.objects.filter(status=DeviceStatus.IDLE).exclude(drain_to="")


def _take_out(device: Device) -> str:
    why = ShutdownReason.OPERATOR if device.drain_to == DeviceStatus.SHUTDOWN else ShutdownReason.NONE
    rows = Device.objects.filter(pk=device.pk, status__in=DEVICE_TRANSITIONS.before(DeviceStatus(device.drain_to)))
    rows.update(status=F("drain_to"), why=why, drain_to="", since=db_now())
    return f"IDLE, but it was to be {device.drain_to}"


CHECKS = (
    Check(_held_by_nobody, _take_back),
    Check(_reserved_and_used, _empty),
    Check(_idle_with_holder, _hold),
    Check(_out_under_a_job, _drain),
    Check(_drained_but_idle, _take_out),
    Check(_cleaner_gone, _clean_again),
    Check(_unattended, _clean),
)
