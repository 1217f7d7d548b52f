from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import RowNumber

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, Bmc, Device
from backends.queries import grace_start, heard
from moreh_cloud.answers.watching import count_rows
from scheduler.choices import HOLDING, LIVE, OVER, JobStatus, Use, WorkerState
from scheduler.models import WAITING, Allocation, Job, Worker
from sda.models import Sda
from tokens.models import Token

OPEN = Q(ended_at__isnull=True)
MAX_ID = 2**63 - 1
QUEUE_ORDER = ("-priority", "turn", "requested_at", "pk")
RANK = Window(
    RowNumber(),
    partition_by=[F("group")],
    order_by=[F("priority").desc(), F("turn").asc(), F("requested_at").asc(), F("pk").asc()],
)


def jobs() -> QuerySet[Job]:
    """Give all jobs with what a list shows of them."""
    return Job.objects.select_related("token", "sda__model", "group")


def queue() -> QuerySet[Job]:
    """Give live jobs in the order in which they will be tried: those that hold devices first."""
    return jobs().filter(status__in=LIVE).order_by(F("submitted_at").desc(nulls_last=True), *QUEUE_ORDER)


def sdas_in_use(sda_ids: Sequence[int]) -> set[int]:
    """Give which of these SDAs have jobs that hold devices."""
    holding = Job.objects.filter(sda__in=sda_ids, status__in=LIVE).exclude(WAITING)
    return set(holding.values_list("sda", flat=True))


def history() -> QuerySet[Job]:
    """Give jobs that are over, the newest end first."""
    return jobs().filter(status__in=OVER).order_by("-ended_at", "-pk")


def count_history() -> int:
    """Count the jobs that are over, exactly: all jobs, of which a tally is kept, without the few live ones."""
    return count_rows("scheduler_job", without=Job.objects.filter(status__in=LIVE))


def waited_for() -> list[int]:
    """Give the backend groups in whose queues somebody waits."""
    return list(Job.objects.filter(WAITING).order_by().values_list("group_id", flat=True).distinct())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting job stands in its group's queue, from 1 (0: it no longer waits), and who blocks there."""

    number: int = 0
    head: int = 0


def like(text: str) -> Q:
    """Tell, as a filter on Job, what a text finds: each word is a number, or part of the customer's name or process."""
    found = Q()
    for word in text.split():
        # The customers are found first: joined to each of a million jobs, their names are read a million times.
        parts = Q(token__in=Token.objects.filter(description__icontains=word)) | Q(process_name__icontains=word)
        number = word.removeprefix("#")
        known = number.isascii() and number.isdigit() and int(number) <= MAX_ID
        found &= parts | Q(pk=int(number)) if known else parts
    return found


def places(group_id: int | None = None) -> dict[int, Place]:
    """Give the places of every waiting job, or of those of one group, by job id."""
    return _places(Job.objects.filter(WAITING, **({} if group_id is None else {"group": group_id})))


def places_of(waiting: Sequence[Job]) -> dict[int, Place]:
    """Give the places of some waiting jobs, all as of one moment."""
    found = places_among({job.group_id for job in waiting}, [job.pk for job in waiting])
    return {job.pk: found[job.pk] for job in waiting if job.pk in found}


def places_among(group_ids: Collection[int], job_ids: Collection[int]) -> dict[int, Place]:
    """Give the places of those of some jobs that wait in these groups; reads only them."""
    return _places(Job.objects.filter(WAITING, group__in=group_ids), job_ids) if job_ids else {}


def _places(waiting: QuerySet[Job], shown: Collection[int] | None = None) -> dict[int, Place]:
    ranked = waiting.order_by().annotate(place=RANK)
    # A condition that names the rank, by OR, is asked of the rows after they are ranked; nobody has place 0.
    chosen = ranked if shown is None else ranked.filter(Q(pk__in=shown) | Q(place=0))
    rows = chosen.values_list("pk", "place", "group__queue__head")
    return {pk: Place(place, head or 0) for pk, place, head in rows}


def held_by_jobs(job_ids: Iterable[int]) -> QuerySet[Allocation]:
    """Give every allocation, live or ended, of some jobs, with its device and node."""
    return Allocation.objects.filter(job__in=list(job_ids)).select_related("device__backend").order_by("device_id")


def billed_as(job: Job) -> dict[str, Any]:
    """Give what the allocations of a job note as they end, so that usage never asks what has changed since."""
    model = Sda.objects.filter(pk=job.sda_id).values("model")[:1]
    return {"ready_at": job.started_at, "sda_model": Subquery(model), "group": job.group_id}


def holders(backend_ids: Iterable[int]) -> QuerySet[Allocation]:
    """Give who holds the devices of some nodes now."""
    held = Allocation.objects.filter(OPEN, device__backend__in=list(backend_ids))
    return held.select_related("job", "sda", "token")


def held_by_token(token: Token) -> QuerySet[Allocation]:
    """Give what the jobs and reservations of a token hold now, with the latest values of each device."""
    held = Allocation.objects.filter(OPEN, token=token).select_related("device__backend", "device__telemetry")
    return held.order_by("device__backend_id", "device__index")


def live_jobs_of(token: Token) -> QuerySet[Job]:
    """Give the live jobs of a token, the oldest first."""
    return Job.objects.filter(token=token, status__in=LIVE).order_by("pk")


def workers_of(job: Job) -> QuerySet[Worker]:
    """Give the workers of a job's current attempt."""
    return Worker.objects.filter(job=job, attempt=job.attempt).select_related("backend").order_by("backend_id")


def current_workers(job_ids: Iterable[int]) -> QuerySet[Worker]:
    """Give the workers of some jobs' current attempts, with their nodes."""
    mine = Worker.objects.filter(job__in=list(job_ids), attempt=F("job__attempt"))
    return mine.select_related("backend").order_by("job_id", "backend_id")


def workers_on(backend_id: int) -> QuerySet[Worker]:
    """Give the workers that are on a node, with their jobs and customers."""
    here = Worker.objects.filter(backend=backend_id).exclude(state=WorkerState.GONE)
    return here.select_related("job__token").order_by("job_id")


def start_orders(worker_ids: Iterable[int]) -> dict[int, Worker]:
    """Give the workers that START orders are about, with all that an agent must know of their jobs."""
    return Worker.objects.select_related("job__token", "job__sda__model").in_bulk(list(worker_ids))


def jobs_on(devices: Sequence[int]) -> list[int]:
    """Give the live jobs that use any of these devices, those of reserved SDAs included."""
    open_here = Allocation.objects.filter(OPEN, device__in=devices)
    own = open_here.filter(job__isnull=False).values("job_id")
    reserved = open_here.filter(job__isnull=True).values("sda_id")
    found = Job.objects.filter(Q(pk__in=own) | Q(status__in=HOLDING, sda__in=reserved))
    return list(found.order_by("pk").values_list("pk", flat=True))


def abandoned_jobs(now: datetime) -> list[int]:
    """Give live jobs whose clients have been silent for MOREH_CLIENT_GRACE while a manager listened."""
    cutoff = now - settings.MOREH_CLIENT_GRACE
    if not _listened_since(cutoff, now):
        return []
    return list(
        Job.objects.filter(status__in=LIVE, client_seen_at__lt=cutoff).order_by("pk").values_list("pk", flat=True)
    )


def stuck_jobs(now: datetime) -> list[int]:
    """Give jobs whose workers have not come up within MOREH_PREPARE_TIMEOUT while a manager listened."""
    cutoff = now - settings.MOREH_PREPARE_TIMEOUT
    if not _listened_since(cutoff, now):
        return []
    late = Job.objects.filter(status=JobStatus.SUBMITTED, submitted_at__lt=cutoff)
    return list(late.order_by("pk").values_list("pk", flat=True))


def leaving_jobs(now: datetime) -> list[int]:
    """Give the jobs whose notice of preemption is over."""
    leaving = Job.objects.filter(leaves_at__lte=now, status__in=HOLDING)
    return list(leaving.order_by("pk").values_list("pk", flat=True))


def overdue_jobs(now: datetime) -> list[int]:
    """Give the jobs that have held devices for longer than their time limit."""
    end = ExpressionWrapper(F("submitted_at") + F("time_limit"), DateTimeField())
    limited = Job.objects.filter(status__in=HOLDING, time_limit__isnull=False).annotate(end=end)
    return list(limited.filter(end__lte=now).order_by("pk").values_list("pk", flat=True))


def uncleaned_devices(now: datetime) -> QuerySet[Device]:
    """Give devices that have been CLEANING for longer than MOREH_CLEAN_TIMEOUT while a manager listened."""
    cutoff = now - settings.MOREH_CLEAN_TIMEOUT
    if not _listened_since(cutoff, now):
        return Device.objects.none()
    return Device.objects.filter(status=DeviceStatus.CLEANING, since__lt=cutoff).select_related("backend")


def powered_off_backends() -> list[int]:
    """Give nodes that were seen off after their agent last spoke and still count as there."""
    off = Bmc.objects.filter(status="off", backend__deleted_at__isnull=True).filter(
        Q(backend__agent__last_seen__lt=F("checked_at")) | Q(backend__agent__last_seen__isnull=True)
    )
    awake = off.filter(Q(backend__status="ACTIVE") | ~Q(backend__devices__status=DeviceStatus.SHUTDOWN))
    return list(awake.order_by("pk").values_list("pk", flat=True).distinct())


def node_use(now: datetime) -> Case:
    """Tell, as an expression on Backend, its Use.

    In use: one of its devices is held by a job or a reserved SDA, whatever else is true of the node. Available: not in
    use, ACTIVE, heard from, and with an idle device. Unavailable: every other.
    """
    held = Q(pk__in=Allocation.objects.filter(OPEN).values("device__backend"))
    idle = Q(pk__in=Device.objects.filter(status=DeviceStatus.IDLE).values("backend"))
    return _use(held, Q(heard(now), idle, status=BackendStatus.ACTIVE))


def device_use(now: datetime) -> Case:
    """Tell, as an expression on Device, its Use.

    In use: held by a job or a reserved SDA. Available: idle, on an ACTIVE node that is heard from, so a job may get it
    now. Unavailable: every other: shut down, cleaning, kept out, or on a node that is silent or takes no jobs.
    """
    held = Q(pk__in=Allocation.objects.filter(OPEN).values("device"))
    serving = Backend.objects.live().filter(heard(now), status=BackendStatus.ACTIVE)
    return _use(held, Q(status=DeviceStatus.IDLE, backend__in=serving.values("pk")))


def _use(held: Q, ready: Q) -> Case:
    return Case(
        When(held, then=Value(Use.IN_USE.value)),
        When(ready, then=Value(Use.AVAILABLE.value)),
        default=Value(Use.UNAVAILABLE.value),
        output_field=CharField(),
    )


def _listened_since(cutoff: datetime, now: datetime) -> bool:
    start = grace_start(now)
    return start is not None and start <= cutoff
