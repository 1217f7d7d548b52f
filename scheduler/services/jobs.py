"""Jobs: end and preempt them, and change their priority."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils.translation import gettext_lazy as _

from backends.choices import DeviceStatus, OrderVerb, SchedulingPolicy
from backends.services.devices import transition_devices
from backends.services.orders import NewOrder, give_orders, withdraw_orders
from core.clock import db_now, db_now_after
from core.errors import Conflict, InvalidParameter
from core.snapshot import Overtaken, decided_at_one_moment
from core.wakeups import publish_on_commit
from events.actor import SYSTEM, Actor
from events.services import record
from scheduler.choices import HOLDING, JOB_TRANSITIONS, LIVE, WORKER_TRANSITIONS, Cause, JobStatus, WorkerState
from scheduler.cycle.fair_share import add_usage
from scheduler.cycle.preemption import still_helps_head, withdraw_notices
from scheduler.errors import JobFinished, JobNotWaiting
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.queries.allocations import OPEN, billed_as
from scheduler.signals import queue_changed
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY


@transaction.atomic
def end_job(
    job_id: int,
    status: JobStatus,
    *,
    actor: Actor,
    cause: Cause = Cause.NONE,
    detail: str = "",
    exit_code: int | None = None,
    only: Sequence[JobStatus] = LIVE,
    among: QuerySet[Job] | None = None,
) -> bool:
    """End a job and its allocations, and order its workers to stop and its devices to be cleaned.

    Return whether this call ended it: a job that is over, or has none of the statuses `only`, does not change. Nor does
    a job that is not `among` these (None: all) when it is locked.
    """
    rows = Job.objects.all() if among is None else among
    job = rows.select_for_update().filter(pk=job_id, status__in=only).first()
    if job is None:
        return False
    now = _end_of(job)
    Job.objects.filter(pk=job.pk, status__in=JOB_TRANSITIONS.before(status)).update(
        status=status,
        cause=cause,
        detail=detail[:512],
        exit_code=exit_code,
        ended_at=now,
        revision=F("revision") + 1,
        pending_reason="",
        preempt_at=None,
    )
    if job.status in HOLDING:
        _release_devices(job, now)
    record(
        f"{status}_JOB", actor=actor, subject=f"job/{job.pk}", token_id=job.token_id, cause=cause, detail=detail[:512]
    )
    publish_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)
    return True


@transaction.atomic
def end_jobs(
    jobs: QuerySet[Job], status: JobStatus, *, actor: Actor, cause: Cause = Cause.NONE, detail: str = ""
) -> list[int]:
    """End the live ones of these jobs as `end_job` does; return the ids of those that this call ended.

    All are locked before the first one ends, and the usage of their tokens is added in the order of the tokens.
    """
    live = jobs.filter(status__in=LIVE).select_for_update(of=("self",)).order_by("pk")
    by_token = sorted(live.values_list("token_id", "pk"))
    return [pk for _token, pk in by_token if end_job(pk, status, cause=cause, detail=detail, actor=actor)]


def _end_of(job: Job) -> datetime:
    """Return when a locked job ends: now, or if the clock was set back, at the latest time that is stored of it."""
    attempts = None
    if job.attempt > 1:
        attempts = Allocation.objects.filter(job=job).order_by().aggregate(last=Max("ended_at"))["last"]
    return db_now_after(job.submitted_at or job.requested_at, job.started_at, attempts)


def _release_devices(job: Job, now: datetime) -> None:
    """End the allocations of a job; its devices are free only when their agents have cleaned them."""
    held = Allocation.objects.filter(OPEN, job=job)
    devices = list(held.values_list("device_id", flat=True))
    held.update(ended_at=now, **billed_as(job))
    if devices and job.submitted_at and job.group.policy == SchedulingPolicy.FAIR:
        add_usage(job.token_id, len(devices), job.submitted_at, now)
    if not devices:
        reservation = Allocation.objects.filter(OPEN, sda=job.sda_id, job__isnull=True)
        devices = list(reservation.values_list("device_id", flat=True))
    transition_devices(devices, DeviceStatus.CLEANING)
    stop_workers(Worker.objects.filter(job=job, state__in=WORKER_TRANSITIONS.before(WorkerState.STOPPING)))


def stop_workers(workers: QuerySet[Worker]) -> None:
    """Order the agents to stop workers, and withdraw their unsettled START orders."""
    rows = list(workers.filter(state__in=WORKER_TRANSITIONS.into(WorkerState.STOPPING)))
    ids = [worker.pk for worker in rows]
    withdraw_orders(ids, OrderVerb.START)
    Worker.objects.filter(pk__in=ids).update(state=WorkerState.STOPPING)
    give_orders(NewOrder(worker.backend_id, OrderVerb.STOP, worker.pk, worker.devices) for worker in rows)


def preempt_job(job_id: int) -> bool:
    """Take a job's devices back when its notice is over; the job waits for its next attempt.

    Return whether it was preempted. If its devices no longer help the head, the job keeps them and its notice is
    withdrawn.
    Everything is read as of one moment; if it changes meanwhile, the job is left to the next call.
    """
    try:
        with decided_at_one_moment():
            return _preempt(job_id)
    except Overtaken:
        return False


def _preempt(job_id: int) -> bool:
    job = Job.objects.select_for_update().filter(pk=job_id, status__in=HOLDING, preempt_at__lte=db_now()).first()
    if job is None:
        return False
    if not still_helps_head(job):
        withdraw_notices(Job.objects.filter(pk=job.pk))
        return False
    put_back(job)
    record("PREEMPT_JOB", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id, wanted_by=job.preempted_by)
    return True


def put_back(job: Job) -> None:
    """Take a job's devices back, in the caller's transaction, which has locked it; it waits for its next attempt."""
    _release_devices(job, db_now_after(job.submitted_at, job.started_at))
    Job.objects.filter(pk=job.pk, status__in=JOB_TRANSITIONS.before(JobStatus.WAITING)).update(
        status=JobStatus.WAITING,
        attempt=F("attempt") + 1,
        revision=F("revision") + 1,
        submitted_at=None,
        started_at=None,
        preempt_at=None,
    )
    publish_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)


@transaction.atomic
def finish_job(job: Job, *, exit_code: int, actor: Actor) -> bool:
    """End a job because its client reported the end of the program; return whether this call ended it."""
    status, cause = (JobStatus.COMPLETED, Cause.NONE) if exit_code == 0 else (JobStatus.FAILED, Cause.EXIT_CODE)
    return end_job(job.pk, status, cause=cause, exit_code=exit_code, actor=actor)


@transaction.atomic
def cancel_job(job: Job, *, cause: Cause, actor: Actor, only: Sequence[JobStatus] = LIVE) -> None:
    """Cancel a job for a user or an operator. Raises JobFinished, and Conflict when it has none of the statuses `only`.

    Who was asked about a waiting job has not agreed that a running program is stopped.
    """
    if end_job(job.pk, JobStatus.CANCELED, cause=cause, actor=actor, only=only):
        return
    status = Job.objects.filter(pk=job.pk, status__in=LIVE).values_list("status", flat=True).first()
    raise Conflict(id=job.pk, status=status) if status else JobFinished(id=job.pk)


@transaction.atomic
def set_job_priority(job: Job, priority: int, *, actor: Actor, expected: int | None = None) -> Job:
    """Change the priority of a waiting job, and return it; with the same priority its revision does not change.

    Raises InvalidParameter, JobNotWaiting, and Conflict when the priority is neither the new nor the `expected` one.
    """
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise InvalidParameter(_("The priority is a number from -99 to 99."), parameter="priority")
    waiting = Job.objects.select_for_update(of=("self",)).filter(WAITING, pk=job.pk).first()
    if waiting is None:
        raise JobNotWaiting(id=job.pk)
    if waiting.priority == priority:
        return waiting
    if expected not in (None, waiting.priority):
        raise Conflict(_("Its priority was changed meanwhile."), id=job.pk, priority=waiting.priority)
    Job.objects.filter(pk=job.pk).update(priority=priority, revision=F("revision") + 1)
    record("SET_JOB_PRIORITY", actor=actor, subject=f"job/{job.pk}", token_id=job.token_id, priority=priority)
    publish_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)
    return Job.objects.get(pk=job.pk)
