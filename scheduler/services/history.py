"""Jobs that ran earlier, elsewhere or in virtual time, stored as completed history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now, to_ms
from core.errors import InvalidParameter
from events.actor import Actor
from events.services import record
from scheduler.choices import JobStatus
from scheduler.models import Allocation, Job
from sda.models import Sda
from sda.queries import backend_group_of


@dataclass(frozen=True, slots=True)
class PastJob:
    """A job that completed on devices (ids); token and group are those of its SDA."""

    request_id: str
    name: str
    sda: Sda
    priority: int
    devices: tuple[int, ...]
    requested_at: datetime
    started_at: datetime
    ended_at: datetime


@transaction.atomic
def add_past_jobs(past: Sequence[PastJob], *, actor: Actor) -> int:
    """Store past jobs with their allocations; return how many were new. The same request id is the same job.

    Raises InvalidParameter for a job that is not over, whose times are not in order, or whose number of devices differs
    from its SDA model.
    """
    now = db_now()
    for job in past:
        _check(job, now)
    new = _unknown(past)
    jobs = Job.objects.bulk_create([_job(job, actor) for job in new], batch_size=1000)
    held = [row for job, was in zip(jobs, new, strict=True) for row in _allocations(job, was)]
    Allocation.objects.bulk_create(held, batch_size=2000)
    if new:
        # One event for all: an event's time is now, and these jobs were not submitted, started and ended now.
        record("ADD_PAST_JOBS", actor=actor, jobs=len(new), allocations=len(held), deviceMs=sum(map(_device_ms, new)))
    return len(new)


def _check(job: PastJob, now: datetime) -> None:
    if not job.requested_at <= job.started_at <= job.ended_at <= now:
        raise InvalidParameter(_("A past job was asked for, began and ended, in this order."), job=job.name)
    if len(set(job.devices)) != job.sda.model.num_devices:
        raise InvalidParameter(_("A job holds as many devices as its SDA model says."), job=job.name)


def _unknown(past: Sequence[PastJob]) -> list[PastJob]:
    same_ids = Job.objects.filter(
        token__in={job.sda.token_id for job in past}, request_id__in=[j.request_id for j in past]
    )
    known = set(same_ids.values_list("token_id", "request_id"))
    return [job for job in past if (job.sda.token_id, job.request_id) not in known]


def _job(past: PastJob, actor: Actor) -> Job:
    return Job(
        token_id=past.sda.token_id,
        sda=past.sda,
        group_id=backend_group_of(past.sda),
        num_devices=len(past.devices),
        priority=past.priority,
        status=JobStatus.COMPLETED,
        process_name=past.name[:255],
        referer_protocol=actor.protocol,
        referer_ip=actor.ip_address,
        request_id=past.request_id,
        client_seen_at=past.ended_at,
        requested_at=past.requested_at,
        submitted_at=past.started_at,
        started_at=past.started_at,
        ended_at=past.ended_at,
        exit_code=0,
    )


def _allocations(job: Job, past: PastJob) -> list[Allocation]:
    times = {"started_at": past.started_at, "ready_at": past.started_at, "ended_at": past.ended_at}
    times["clean_at"] = past.ended_at  # nobody knows how long that took
    billed = {"token_id": job.token_id, "sda_model_id": past.sda.model_id, "group_id": job.group_id}
    return [Allocation(job=job, sda_id=job.sda_id, device_id=device, **billed, **times) for device in past.devices]


def _device_ms(past: PastJob) -> int:
    return (to_ms(past.ended_at) - to_ms(past.started_at)) * len(past.devices)
