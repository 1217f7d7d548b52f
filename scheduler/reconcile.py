"""The reconciler: finds what can never be and repairs it towards the safe side."""

from collections.abc import Callable, Iterable

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q

from backends.choices import HELD, DeviceStatus
from backends.models import Device
from backends.services.devices import clean_devices, move_devices
from moreh_cloud.alerts.choices import Category
from moreh_cloud.alerts.services import raise_alert
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING, OVER, Cause, JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries import OPEN, billed_as
from scheduler.services.jobs import end_job, stop_workers

Finding = tuple[str, str]
HELD_NOW = Exists(Allocation.objects.filter(OPEN, device=OuterRef("pk")))


def reconcile() -> list[Finding]:
    """Repair every inconsistency; give (subject, what was wrong), each also an event and an alert.

    Each look is repeated under lock before anything is changed, so that work in flight is not taken for a fault.
    """
    looks: tuple[Callable[[], Iterable[Finding]], ...] = (
        _jobs_with_wrong_devices,
        _allocations_of_the_dead,
        _held_without_holder,
        _idle_with_holder,
        _workers_not_told,
    )
    return [finding for look in looks for finding in look()]


def _report(subject: str, wrong: str) -> Finding:
    record("REPAIR", actor=SYSTEM, subject=subject, wrong=wrong)
    raise_alert(Category.INCONSISTENCY, subject=subject, content=f"{subject}: {wrong}; repaired.")
    return subject, wrong


def _jobs_with_wrong_devices() -> Iterable[Finding]:
    """A live job that holds devices holds as many as its model says."""
    holding = Job.objects.filter(status__in=HOLDING, sda__reserved=False)
    wrong = holding.annotate(held=Count("allocations", filter=Q(allocations__ended_at=None))).exclude(
        held=F("num_devices")
    )
    for job in wrong:
        with transaction.atomic():
            detail = f"held {job.held} of {job.num_devices} devices"
            if end_job(job.pk, JobStatus.FAILED, cause=Cause.INCONSISTENT, detail=detail, actor=SYSTEM, only=HOLDING):
                yield _report(f"job/{job.pk}", detail)


def _allocations_of_the_dead() -> Iterable[Finding]:
    """A job that is over holds nothing."""
    dead = Allocation.objects.filter(OPEN, job__status__in=OVER)
    for job_id in list(dead.order_by("job").values_list("job", flat=True).distinct()):
        with transaction.atomic():
            job = Job.objects.select_for_update().get(pk=job_id)
            rest = Allocation.objects.filter(OPEN, job=job)
            devices = list(rest.values_list("device_id", flat=True))
            if rest.update(ended_at=db_now(), **billed_as(job)):
                _send_to_clean(devices)
                yield _report(f"job/{job_id}", f"over, but held {len(devices)} devices")


def _held_without_holder() -> Iterable[Finding]:
    """A device that is being used is used by somebody."""
    for device in Device.objects.filter(~HELD_NOW, status__in=HELD):
        with transaction.atomic():
            same = Device.objects.select_for_update().filter(~HELD_NOW, pk=device.pk, status__in=HELD)
            if same.exists():
                _send_to_clean([device.pk])
                yield _report(f"device/{device.pk}", f"{device.status}, but nobody held it")


def _idle_with_holder() -> Iterable[Finding]:
    """A device that somebody holds is not free."""
    for device in Device.objects.filter(HELD_NOW, status=DeviceStatus.IDLE):
        with transaction.atomic():
            same = Device.objects.select_for_update().filter(HELD_NOW, pk=device.pk, status=DeviceStatus.IDLE)
            if same.exists():
                move_devices([device.pk], DeviceStatus.PREPARING)
                yield _report(f"device/{device.pk}", "IDLE, but somebody held it")


def _workers_not_told() -> Iterable[Finding]:
    """Workers of an attempt that is over have been told to stop."""
    present = Q(state__in=(WorkerState.STARTING, WorkerState.RUNNING))
    stale = Worker.objects.filter(present & (Q(job__status__in=OVER) | ~Q(attempt=F("job__attempt"))))
    for job_id in list(stale.order_by("job").values_list("job", flat=True).distinct()):
        with transaction.atomic():
            job = Job.objects.select_for_update().get(pk=job_id)
            stop_workers(Worker.objects.filter(present, job=job))
            yield _report(f"job/{job_id}", "over, but its workers had not been told to stop")


def _send_to_clean(devices: list[int]) -> None:
    move_devices(devices, DeviceStatus.CLEANING)
    for device in Device.objects.filter(pk__in=devices).select_related("backend"):
        clean_devices(device.backend, [device.index])
