"""Nodes that are lost or powered off: their jobs end, and their devices leave service."""

from collections.abc import Collection, Sequence

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import Level
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node
from backends.choices import (
    DEVICE_TRANSITIONS,
    BackendStatus,
    DeviceStatus,
    PowerStatus,
    ShutdownReason,
)
from backends.models import Agent, Backend, Device
from backends.queries import lost_backends
from core.clock import db_now
from events.actor import SYSTEM
from events.services import record
from scheduler.choices import Cause, JobStatus
from scheduler.queries.jobs import jobs_on
from scheduler.queries.sweep import powered_off_backends, preflights_on
from scheduler.services.checks import put_back_unchecked
from scheduler.services.cleaning import note_clean
from scheduler.services.jobs import end_jobs

log = structlog.get_logger(__name__)


@transaction.atomic
def lose_backend(backend_id: int) -> None:
    """End the jobs of a silent node as FAILED, and shut its devices down until its agent comes back."""
    Agent.objects.select_for_update().get(pk=backend_id)
    backend = lost_backends(db_now()).filter(pk=backend_id).first()
    if backend is None:
        return
    failed = _abandon(backend, ShutdownReason.NODE_LOST, Cause.NODE_LOST)
    code, told = (Code.NODE_LOST_WITH_JOBS, {"jobs": failed}) if failed else (Code.NODE_LOST, {})
    raise_alert(code, node(backend.pk), level=Level.CRITICAL, node=backend.name, **told)


def power_down_backends(backend_ids: Collection[int]) -> bool:
    """Take nodes that were just seen off out of service, in the transaction that stores it.

    Return False if one failed; the sweep tries again.
    """
    succeeded, off = True, powered_off_backends(backend_ids)
    # All rows that several of them share, in the order of ids, before the first one ends jobs.
    list(Agent.objects.select_for_update().filter(pk__in=off).order_by("pk").values_list("pk"))
    devices = list(Device.objects.filter(backend__in=off).values_list("pk", flat=True))
    list(jobs_on(devices).select_for_update().order_by("pk").values_list("pk"))
    for backend_id in off:
        try:
            power_down_backend(backend_id)
        except DatabaseError:
            raise  # the whole transaction may be lost
        except Exception:
            log.exception("power_down_failed", backend=backend_id)
            succeeded = False
    return succeeded


@transaction.atomic
def power_down_backend(backend_id: int) -> None:
    """Take a node out of service that was seen powered off and whose agent has sent nothing since."""
    agent = Agent.objects.select_for_update().get(pk=backend_id)
    backend = Backend.objects.live().select_related("bmc").filter(pk=backend_id, bmc__status=PowerStatus.OFF).first()
    if backend is None or (agent.last_seen and agent.last_seen >= backend.bmc.checked_at):
        return
    _abandon(backend, ShutdownReason.POWERED_OFF, Cause.POWERED_OFF)


def _abandon(backend: Backend, why: ShutdownReason, cause: Cause) -> int:
    """End the jobs on a node that is gone and shut it down, in the caller's transaction; return how many ended."""
    mine = Device.objects.filter(backend=backend)
    ids = list(mine.values_list("pk", flat=True))
    put_back_unchecked(preflights_on([backend.pk]))
    ended = _end_jobs_on(ids, cause, backend)
    awake = mine.filter(status__in=DEVICE_TRANSITIONS.before(DeviceStatus.SHUTDOWN))
    awake.update(status=DeviceStatus.SHUTDOWN, why=why, cleaner=None, since=db_now())
    # A batch that took devices before they could be locked here is committed by now, and no other can follow.
    if late := _end_jobs_on(ids, cause, backend):
        awake.update(status=DeviceStatus.SHUTDOWN, why=why, cleaner=None, since=db_now())
    note_clean(ids)
    if Backend.objects.filter(pk=backend.pk, status=BackendStatus.ACTIVE).update(
        status=BackendStatus.SHUTDOWN, why=why
    ):
        record("BACKEND_LOST", actor=SYSTEM, subject=f"backend/{backend.pk}", why=why)
    return ended + late


def _end_jobs_on(devices: Sequence[int], cause: Cause, backend: Backend) -> int:
    """End the live jobs that use any of these devices as FAILED; return how many there were."""
    return len(end_jobs(jobs_on(devices), JobStatus.FAILED, cause=cause, detail=backend.name, actor=SYSTEM))
