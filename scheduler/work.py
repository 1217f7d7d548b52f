from collections import defaultdict

from django.db import transaction

from backends.choices import Why
from backends.models import Device
from backends.queries import lost_backends
from backends.services.agents import quarantine
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING, Cause, JobStatus
from scheduler.cleaning import note_clean
from scheduler.outlook import look_ahead
from scheduler.queries import (
    abandoned_jobs,
    leaving_jobs,
    overdue_jobs,
    powered_off_backends,
    stuck_jobs,
    uncleaned_devices,
    waited_for,
)
from scheduler.services.jobs import end_job, preempt_job
from scheduler.services.workers import lose_backend, power_down_backend
from scheduler.tick import tick


def tick_all() -> None:
    """Tick every group with waiting jobs; one query when there are none."""
    for group_id in waited_for():
        tick(group_id)


def look_ahead_all() -> None:
    """Estimate when the jobs of every queue will start; one query when nobody waits."""
    for group_id in waited_for():
        look_ahead(group_id)


def sweep() -> None:
    """Look once for everything that has been silent or stuck too long, and act on each by itself."""
    now = db_now()
    for backend_id in lost_backends(now).values_list("pk", flat=True):
        lose_backend(backend_id)
    for backend_id in powered_off_backends():
        power_down_backend(backend_id)
    for job_id in abandoned_jobs(now):
        end_job(job_id, JobStatus.FAILED, cause=Cause.CLIENT_LOST, actor=SYSTEM)
    for job_id in overdue_jobs(now):
        end_job(job_id, JobStatus.FAILED, cause=Cause.TIME_LIMIT, actor=SYSTEM, only=HOLDING)
    for job_id in leaving_jobs(now):
        preempt_job(job_id)
    for job_id in stuck_jobs(now):
        end_job(job_id, JobStatus.FAILED, cause=Cause.PREPARATION_TIMED_OUT, actor=SYSTEM, only=[JobStatus.SUBMITTED])
    _quarantine_uncleaned(list(uncleaned_devices(now)))


def _quarantine_uncleaned(devices: list[Device]) -> None:
    """Take devices out of service that nobody said were clean; no timer ever makes one IDLE."""
    by_node = defaultdict(list)
    for device in devices:
        by_node[device.backend].append(device.pk)
    for backend, ids in by_node.items():
        with transaction.atomic():
            quarantine(ids, Why.NOT_CLEANED, backend=backend)
            note_clean(ids)
