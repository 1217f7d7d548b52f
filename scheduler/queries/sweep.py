"""What a sweep acts on: jobs, devices and nodes that were silent, or waited for something, for too long."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import (
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
)

from backends.choices import DeviceStatus
from backends.models import Backend, Bmc, Device
from backends.queries import grace_start, silence_cutoff
from scheduler.choices import HOLDING, LIVE, JobStatus, WorkerState
from scheduler.models import Job, Worker


def abandoned_jobs(now: datetime) -> QuerySet[Job]:
    """Return live jobs whose clients have been silent for MOREH_CLIENT_GRACE while a manager listened."""
    cutoff = now - settings.MOREH_CLIENT_GRACE
    if not _listened_since(cutoff, now):
        return Job.objects.none()
    return Job.objects.filter(status__in=LIVE, client_seen_at__lt=cutoff).order_by("pk")


def stuck_jobs(now: datetime) -> QuerySet[Job]:
    """Return jobs whose workers have not come up within MOREH_PREPARE_TIMEOUT while a manager listened."""
    cutoff = now - settings.MOREH_PREPARE_TIMEOUT
    if not _listened_since(cutoff, now):
        return Job.objects.none()
    return Job.objects.filter(status=JobStatus.SUBMITTED, submitted_at__lt=cutoff).order_by("pk")


def preflights_on(backends: QuerySet[Backend] | Collection[int]) -> QuerySet[Job]:
    """Return jobs whose devices on these nodes are still checked before the start."""
    starting = Worker.objects.filter(
        job=OuterRef("pk"), attempt=OuterRef("attempt"), state=WorkerState.STARTING, backend__in=backends
    )
    return Job.objects.filter(Exists(starting), status=JobStatus.SUBMITTED, group__preflight=True).order_by("pk")


def silent_preflights(now: datetime) -> QuerySet[Job]:
    """Return jobs whose devices are checked before the start by agents that have fallen silent meanwhile."""
    return preflights_on(Backend.objects.live().filter(agent__last_seen__lt=silence_cutoff(now)))


def preemptions_due(now: datetime) -> list[int]:
    """Return the jobs whose notice of preemption is over."""
    due = Job.objects.filter(preempt_at__lte=now, status__in=HOLDING)
    return list(due.order_by("pk").values_list("pk", flat=True))


def overdue_jobs(now: datetime) -> QuerySet[Job]:
    """Return the jobs that have held devices for longer than their time limit."""
    end = ExpressionWrapper(F("submitted_at") + F("time_limit"), DateTimeField())
    limited = Job.objects.filter(status__in=HOLDING, time_limit__isnull=False).annotate(end=end)
    return limited.filter(end__lte=now).order_by("pk")


def uncleaned_devices(now: datetime) -> QuerySet[Device]:
    """Return devices that have been CLEANING for longer than MOREH_CLEAN_TIMEOUT while a manager listened."""
    cutoff = now - settings.MOREH_CLEAN_TIMEOUT
    if not _listened_since(cutoff, now):
        return Device.objects.none()
    return Device.objects.filter(status=DeviceStatus.CLEANING, since__lt=cutoff)


def powered_off_backends(among: Collection[int] | None = None) -> list[int]:
    """Return nodes that were seen off after their agent was last seen, and are still in service.

    `among`: only nodes of these ids; None for all.
    """
    some = {} if among is None else {"pk__in": among}
    off = Bmc.objects.filter(status="off", backend__deleted_at__isnull=True, **some).filter(
        Q(backend__agent__last_seen__lt=F("checked_at")) | Q(backend__agent__last_seen__isnull=True)
    )
    awake = off.filter(Q(backend__status="ACTIVE") | ~Q(backend__devices__status=DeviceStatus.SHUTDOWN))
    return list(awake.order_by("pk").values_list("pk", flat=True).distinct())


def _listened_since(cutoff: datetime, now: datetime) -> bool:
    """Whether a manager has served without a break since a time: only then silence counts."""
    start = grace_start(now)
    return start is not None and start <= cutoff
