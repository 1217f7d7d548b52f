"""Submission: clients request jobs, and resume them."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from backends.choices import SchedulingPolicy
from backends.models import BackendGroup
from core.clock import db_now, to_ms
from core.errors import InvalidParameter, NotFound
from core.texts import cleaned, require_texts
from events.actor import Actor
from events.services import record
from scheduler.cycle.pending_reasons import LAST_FAIR_RANK
from scheduler.errors import TooManyJobs
from scheduler.ids import keep_ids_new
from scheduler.models import WAITING, Job
from scheduler.signals import job_accepted
from sda.models import Sda
from sda.queries import backend_group_of, get_sda
from tokens.models import Token
from tokens.services import require_not_stopped

LONGEST = timedelta(days=3650)
OF_ID_ALONE = 1  # the form of keys of earlier versions, whose jobs may still run


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A client's request to run a program on the devices of an SDA; `sda_id` 0 means the current SDA."""

    request_id: str
    sda_id: int = 0
    pid: int = 0
    process_name: str = ""
    framework: str = ""
    version: str = ""
    time_limit: timedelta | None = None


def resume_key(job: Job) -> str:
    """Return the key with which the job's client may resume it; it is derived and never stored.

    It contains the request and its time: after a restore, another job may have the id that the client remembers.
    """
    named = f"{job.pk} {to_ms(job.requested_at)} {job.request_id}" if job.key_form != OF_ID_ALONE else str(job.pk)
    return salted_hmac("scheduler.resume", named, algorithm="sha256").hexdigest()


@transaction.atomic
def submit_job(token: Token, request: JobRequest, *, actor: Actor) -> Job:
    """Create a job that waits for the devices of an SDA, and return it; the same request id returns the same job.

    Raises NotFound for an SDA that is not the token's, InvalidParameter that names the field, BudgetSpent,
    TooManyJobs. The token is read again, because it may have been stopped since the caller authenticated it.
    """
    _check(request)
    known = Job.objects.filter(token=token, request_id=request.request_id)
    if job := known.first():
        return job
    token = require_not_stopped(token)
    sda = get_sda(token, request.sda_id or None)
    if Sda.objects.live().select_for_update().filter(pk=sda.pk).first() is None:
        raise NotFound(sda_id=sda.pk)  # deleted since it was looked up
    _require_few_waiting(token)
    try:
        with transaction.atomic():
            job = _new_job(token, sda, request, actor)
    except IntegrityError:
        return known.get()  # the same request came in over two connections at once
    record(
        "CREATE_JOB",
        actor=actor,
        subject=f"job/{job.pk}",
        token_id=token.pk,
        sda=sda.pk,
        devices=job.num_devices,
        pid=request.pid,
    )
    job_accepted.send(Job, group_id=job.group_id)
    return job


def _require_few_waiting(token: Token) -> None:
    """Raise TooManyJobs when MOREH_WAITING_JOBS jobs of the token wait, so that others do not queue behind more."""
    most = settings.MOREH_WAITING_JOBS
    # Joined by SDA, because live jobs of an SDA have an index of their own; the token's index has all jobs.
    waiting = Job.objects.filter(WAITING, sda__token=token).order_by()
    if len(waiting.values_list("pk")[:most]) >= most:
        raise TooManyJobs(limit=most)


def _check(request: JobRequest) -> None:
    if not request.request_id or len(request.request_id) > 64:
        raise InvalidParameter(_("A request id of 1 to 64 characters is needed."), parameter="request_id")
    require_texts(request_id=request.request_id)
    if not 0 <= request.pid < 2**31:
        raise InvalidParameter(_("A pid is a number from 0 to 2147483647."), parameter="pid")
    require_time_limit(request.time_limit)


def require_time_limit(limit: timedelta | None) -> None:
    """Raise InvalidParameter unless a job may have this time limit."""
    if limit is not None and not timedelta(seconds=1) <= limit <= LONGEST:
        raise InvalidParameter(_("A time limit is 1 second to 10 years."), parameter="time_limit")


def _new_job(token: Token, sda: Sda, request: JobRequest, actor: Actor) -> Job:
    now = db_now()
    keep_ids_new(now)
    group = BackendGroup.objects.get(pk=backend_group_of(sda))
    return Job.objects.create(
        token=token,
        sda=sda,
        group=group,
        fair_rank=LAST_FAIR_RANK if group.policy == SchedulingPolicy.FAIR else 0,
        num_devices=sda.model.num_devices,
        priority=token.priority,
        pid=request.pid,
        process_name=cleaned(request.process_name, 255),
        framework=cleaned(request.framework, 64),
        version=cleaned(request.version, 64),
        time_limit=request.time_limit,
        referer_protocol=actor.protocol,
        referer_ip=actor.ip_address,
        request_id=request.request_id,
        client_seen_at=now,
        requested_at=now,
    )


@transaction.atomic
def resume_job(token: Token, job_id: int, key: str) -> Job:
    """Return the job of a client that comes back on a new stream. Raises NotFound for a wrong id or a wrong key."""
    job = Job.objects.filter(pk=job_id, token=token).first()
    if job is None or not constant_time_compare(key, resume_key(job)):
        raise NotFound(job_id=job_id)
    Job.objects.filter(pk=job.pk).update(client_seen_at=db_now())
    return job
