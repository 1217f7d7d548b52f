from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from backends.choices import DeviceStatus, OrderVerb, SchedulingPolicy
from backends.models import BackendGroup
from backends.services.devices import move_devices
from backends.services.orders import NewOrder, give_orders, withdraw_orders
from moreh_cloud.events.actor import SYSTEM, Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import InvalidParameter, NotFound
from scheduler.choices import HOLDING, LIVE, Cause, JobStatus, WorkerState
from scheduler.errors import JobFinished, JobNotWaiting
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.queries import OPEN, billed_as
from scheduler.sharing import add_use
from scheduler.signals import job_accepted, queue_changed
from scheduler.telling import LAST_TURN
from sda.models import Sda
from sda.queries import backend_group_of, get_sda
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY
from tokens.models import Token
from tokens.services import require_not_stopped

LONGEST = timedelta(days=3650)
NOTE_SIGNS = """
    UPDATE scheduler_job AS job
    SET client_seen_at = %s, used_memory = new.used_memory, utilization = new.utilization,
        pid = coalesce(nullif(new.pid, 0), job.pid)
    FROM unnest(%s::bigint[], %s::int[], %s::float8[], %s::int[]) AS new (id, used_memory, utilization, pid)
    WHERE job.id = new.id AND job.status = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client says of the program that wants devices; `sda_id` 0 means the current SDA."""

    request_id: str
    sda_id: int = 0
    pid: int = 0
    process_name: str = ""
    framework: str = ""
    version: str = ""
    time_limit: timedelta | None = None


def resume_key(job: Job) -> str:
    """Give the key with which the job's client may come back; derived, so nobody has to store it."""
    return salted_hmac("scheduler.resume", str(job.pk), algorithm="sha256").hexdigest()


@transaction.atomic
def submit_job(token: Token, ask: Ask, *, actor: Actor) -> Job:
    """Put a request for the devices of an SDA into the queue; the same request id gives the same job.

    Raises NotFound for an SDA that is not the token's, InvalidParameter that names the field, BudgetSpent.
    """
    _check(ask)
    known = Job.objects.filter(token=token, request_id=ask.request_id)
    if job := known.first():
        return job
    require_not_stopped(token)
    sda = get_sda(token, ask.sda_id or None)
    if Sda.objects.live().select_for_update().filter(pk=sda.pk).first() is None:
        raise NotFound(sda_id=sda.pk)  # deleted since it was looked up
    try:
        with transaction.atomic():
            job = _new_job(token, sda, ask, actor)
    except IntegrityError:
        return known.get()  # the same request came in over two connections at once
    record(
        "CREATE_JOB",
        actor=actor,
        subject=f"job/{job.pk}",
        token_id=token.pk,
        sda=sda.pk,
        devices=job.num_devices,
        pid=ask.pid,
    )
    job_accepted.send(Job, group_id=job.group_id)
    return job


def _check(ask: Ask) -> None:
    if not ask.request_id or len(ask.request_id) > 64:
        raise InvalidParameter(_("A request id of 1 to 64 characters is needed."), parameter="request_id")
    if not 0 <= ask.pid < 2**31:
        raise InvalidParameter(_("A pid is a number from 0 to 2147483647."), parameter="pid")
    if ask.time_limit is not None and not timedelta(seconds=1) <= ask.time_limit <= LONGEST:
        raise InvalidParameter(_("A time limit is 1 second to 10 years."), parameter="time_limit")
    for name in ("request_id", "process_name", "framework", "version"):
        if "\0" in getattr(ask, name):
            raise InvalidParameter(_("A text must not contain the character NUL."), parameter=name)


def _new_job(token: Token, sda: Sda, ask: Ask, actor: Actor) -> Job:
    now = db_now()
    group = BackendGroup.objects.get(pk=backend_group_of(sda))
    return Job.objects.create(
        token=token,
        sda=sda,
        group=group,
        turn=LAST_TURN if group.policy == SchedulingPolicy.FAIR else 0,
        num_devices=sda.model.num_devices,
        priority=token.priority,
        pid=ask.pid,
        process_name=ask.process_name[:255],
        framework=ask.framework[:64],
        version=ask.version[:64],
        time_limit=ask.time_limit,
        referer_protocol=actor.protocol,
        referer_ip=actor.ip_address,
        request_id=ask.request_id,
        client_seen_at=now,
        requested_at=now,
    )


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
) -> bool:
    """End a job, its allocations and their billing; have its workers stopped and its devices cleaned.

    Give whether this call ended it: a job that is over, or is in none of the statuses `only`, stays as it is.
    """
    job = Job.objects.select_for_update().filter(pk=job_id, status__in=only).first()
    if job is None:
        return False
    now = db_now()
    Job.objects.filter(pk=job.pk).update(
        status=status,
        cause=cause,
        detail=detail[:512],
        exit_code=exit_code,
        ended_at=now,
        revision=F("revision") + 1,
        pending_reason="",
        leaves_at=None,
    )
    if job.status in HOLDING:
        _leave(job, now)
    record(
        f"{status}_JOB", actor=actor, subject=f"job/{job.pk}", token_id=job.token_id, cause=cause, detail=detail[:512]
    )
    tell_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)
    return True


def _leave(job: Job, now: datetime) -> None:
    """Let go of a job's devices: they are held by no one, and not free before their agents say so."""
    held = Allocation.objects.filter(OPEN, job=job)
    devices = list(held.values_list("device_id", flat=True))
    held.update(ended_at=now, **billed_as(job))
    if devices and job.submitted_at and job.group.policy == SchedulingPolicy.FAIR:
        add_use(job.token_id, len(devices), job.submitted_at, now)
    if not devices:
        reservation = Allocation.objects.filter(OPEN, sda=job.sda_id, job__isnull=True)
        devices = list(reservation.values_list("device_id", flat=True))
    move_devices(devices, DeviceStatus.CLEANING)
    stop_workers(Worker.objects.filter(job=job, state__in=(WorkerState.STARTING, WorkerState.RUNNING)))


def stop_workers(workers: QuerySet[Worker]) -> None:
    """Order the agents to stop workers; START orders that nobody has settled are taken back."""
    rows = list(workers)
    ids = [worker.pk for worker in rows]
    withdraw_orders(ids, OrderVerb.START)
    Worker.objects.filter(pk__in=ids).update(state=WorkerState.STOPPING)
    give_orders(NewOrder(worker.backend_id, OrderVerb.STOP, worker.pk, worker.devices) for worker in rows)


@transaction.atomic
def preempt_job(job_id: int) -> bool:
    """Take a job's devices back and put it into the queue again, as its next attempt, when its notice is over.

    Give whether it was done: a job whose devices nobody waits for any more keeps them, and hears of it.
    """
    job = Job.objects.select_for_update().filter(pk=job_id, status__in=HOLDING, leaves_at__lte=db_now()).first()
    if job is None:
        return False
    if not Job.objects.filter(WAITING, pk=job.leaves_for).exists():
        Job.objects.filter(pk=job.pk).update(leaves_at=None, leaves_for=0, revision=F("revision") + 1)
        record("KEEP_JOB", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id)
        tell_on_commit("job", [job.pk])
        return False
    _leave(job, db_now())
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.WAITING,
        attempt=F("attempt") + 1,
        revision=F("revision") + 1,
        submitted_at=None,
        started_at=None,
        leaves_at=None,
    )
    record("PREEMPT_JOB", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id, wanted_by=job.leaves_for)
    tell_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)
    return True


@transaction.atomic
def finish_job(job: Job, *, exit_code: int, actor: Actor) -> bool:
    """End a job because its client says that the program is over."""
    status, cause = (JobStatus.COMPLETED, Cause.NONE) if exit_code == 0 else (JobStatus.FAILED, Cause.EXIT_CODE)
    return end_job(job.pk, status, cause=cause, exit_code=exit_code, actor=actor)


@transaction.atomic
def cancel_job(job: Job, *, cause: Cause, actor: Actor) -> None:
    """End a job because a user or an operator wants so. Raises JobFinished."""
    if not end_job(job.pk, JobStatus.CANCELED, cause=cause, actor=actor):
        raise JobFinished(id=job.pk)


@transaction.atomic
def set_job_priority(job: Job, priority: int, *, actor: Actor) -> Job:
    """Change the place of a waiting job. Raises InvalidParameter, JobNotWaiting."""
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise InvalidParameter(_("The priority is a number from -99 to 99."), parameter="priority")
    if not Job.objects.filter(WAITING, pk=job.pk).update(priority=priority, revision=F("revision") + 1):
        raise JobNotWaiting(id=job.pk)
    record("SET_JOB_PRIORITY", actor=actor, subject=f"job/{job.pk}", token_id=job.token_id, priority=priority)
    tell_on_commit("job", [job.pk])
    queue_changed.send(Job, group_id=job.group_id)
    return Job.objects.get(pk=job.pk)


@transaction.atomic
def resume_job(token: Token, job_id: int, key: str) -> Job:
    """Let a client come back to its job on a new stream. Raises NotFound for a wrong id or key alike."""
    job = Job.objects.filter(pk=job_id, token=token).first()
    if job is None or not constant_time_compare(key, resume_key(job)):
        raise NotFound(job_id=job_id)
    Job.objects.filter(pk=job.pk).update(client_seen_at=db_now())
    return job


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The latest heartbeat of a job's client: MiB and per cent; `pid` 0 changes nothing."""

    job_id: int
    used_memory: int = 0
    utilization: float = 0.0
    pid: int = 0


@transaction.atomic
def note_signs_of_life(signs: Sequence[SignOfLife]) -> None:
    """Store the latest heartbeats of many clients in at most two statements; jobs that are over stay as they are."""
    latest = {sign.job_id: sign for sign in signs}
    if connection.vendor == "postgresql":
        _note_with_arrays(latest)
    else:
        _note_portably(latest)


def _note_with_arrays(latest: dict[int, SignOfLife]) -> None:
    rows = [(sign.job_id, sign.used_memory, sign.utilization, sign.pid) for sign in latest.values()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    with connection.cursor() as cursor:
        cursor.execute(NOTE_SIGNS, [db_now(), *columns, list(LIVE)])


def _note_portably(latest: dict[int, SignOfLife]) -> None:
    now = db_now()
    jobs = Job.objects.filter(pk__in=latest, status__in=LIVE)
    rows = [
        Job(
            pk=pk,
            used_memory=latest[pk].used_memory,
            utilization=latest[pk].utilization,
            pid=latest[pk].pid or pid,
            client_seen_at=now,
        )
        for pk, pid in jobs.select_for_update().order_by("pk").values_list("pk", "pid")
    ]
    Job.objects.bulk_update(rows, ["used_memory", "utilization", "pid", "client_seen_at"], batch_size=200)
