"""Cleaning of devices after an allocation; the time until they are clean is stored and never billed."""

from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest

from backends.choices import HELD, DeviceStatus, ShutdownReason
from backends.models import Agent, Backend, Device
from backends.services.agents import quarantine
from backends.services.devices import clean_chosen, transition_devices
from core.clock import db_now
from events.actor import SYSTEM
from scheduler.choices import Cause, JobStatus
from scheduler.models import UNCLEAN, Allocation, Job
from scheduler.queries.jobs import jobs_on
from scheduler.queries.sweep import uncleaned_devices
from scheduler.services.jobs import end_jobs
from scheduler.signals import queue_changed
from sda.models import Sda
from sda.queries import backend_group_of


def note_clean(devices: Collection[int]) -> None:
    """Store that devices are no longer being cleaned: they are free, or shut down because cleaning failed."""
    if devices:
        Allocation.objects.filter(UNCLEAN, device__in=devices).update(clean_at=Greatest(F("ended_at"), Value(db_now())))


@transaction.atomic
def quarantine_uncleaned(backend_id: int) -> None:
    """Take devices of a node out of service that its agent did not report clean; no timer ever makes a device IDLE."""
    # Transactions that store a result of the agent come before or after this one.
    agent = Agent.objects.select_for_update(of=("self",)).select_related("backend").get(pk=backend_id)
    late = uncleaned_devices(db_now())
    note_clean(quarantine(late, ShutdownReason.NOT_CLEANED, backend=agent.backend))


def give_up(devices: QuerySet[Device], why: ShutdownReason, *, backend: Backend, detail: str) -> None:
    """Fail the jobs on devices of a node and shut the devices down, in the caller's transaction."""
    ids = list(devices.values_list("pk", flat=True))
    _fail_jobs_on(ids, detail)
    quarantine(devices, why, backend=backend)
    # A batch that had taken devices before they could be locked is committed by now, and no other can follow.
    if _fail_jobs_on(ids, detail):
        quarantine(devices, why, backend=backend)


def _fail_jobs_on(devices: Sequence[int], detail: str) -> int:
    return len(end_jobs(jobs_on(devices), JobStatus.FAILED, cause=Cause.WORKER_ERROR, detail=detail, actor=SYSTEM))


def clean_released(sda: Sda, devices: Collection[int]) -> None:
    """Order the cleaning of devices that an SDA has released; they are free when their agents have cleaned them.

    Devices that are out of service stay out of service.
    """
    used = list(Device.objects.filter(pk__in=devices, status__in=HELD).values_list("pk", flat=True))
    transition_devices(used, DeviceStatus.CLEANING)
    clean_chosen(Device.objects.filter(pk__in=used))
    _note_uncleaned(devices)
    queue_changed.send(Job, group_id=backend_group_of(sda))


def _note_uncleaned(devices: Collection[int]) -> None:
    """Store that cleaning took no time for those of these devices that are not cleaned after their allocation."""
    left = Allocation.objects.filter(UNCLEAN, device__in=devices)
    left.exclude(device__status=DeviceStatus.CLEANING).update(clean_at=F("ended_at"))
