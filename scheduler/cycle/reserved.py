"""Jobs on reserved SDAs: they start one at a time on the devices that are held for them, without a plan."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from backends.binding import is_being_switched, usable_nodes
from backends.choices import BackendStatus, DeviceStatus
from backends.models import BackendGroup, Device
from backends.queries import silence_cutoff
from core.clock import db_now, to_ms
from scheduler.choices import HOLDING
from scheduler.cycle.bind import Binding, WaitingJob, as_ms, bind_jobs
from scheduler.cycle.lease import QueueLease
from scheduler.cycle.limits import is_draining, read_limits
from scheduler.cycle.pending_reasons import LAST_FAIR_RANK, store_reserved_pending_reasons
from scheduler.models import WAITING, Allocation, Job
from scheduler.policy.decisions import PendingReason, Waits
from scheduler.policy.maintenance import may_take
from scheduler.queries.allocations import OPEN

ORDER = ("-priority", "requested_at", "pk")
HELD = Q(allocations__ended_at__isnull=True, allocations__job__isnull=True)


class ReservedState(NamedTuple):
    """What decides on jobs of reserved SDAs: the SDAs that run one, and how many devices of each are ready.

    `maintenance`: when the first maintenance of a node of each SDA begins.
    """

    draining: bool
    busy: frozenset[int]
    ready: Mapping[int, int]
    maintenance: Mapping[int, int]
    now_ms: int


class ReservedJob(NamedTuple):
    """A waiting job on a reserved SDA, or one of a dry run."""

    pk: int
    sda_id: int
    devices: int
    stopped: bool
    limit_ms: int | None = None


def read_reserved_state(group_id: int, sdas: Iterable[int]) -> ReservedState:
    """Return what decides on jobs of these SDAs of a group, in a fixed number of queries."""
    ids, now = list(sdas), db_now()
    busy = Job.objects.filter(status__in=HOLDING, sda__in=ids).values_list("sda_id", flat=True)
    ready = _ready(now).filter(HELD, allocations__sda__in=ids).order_by().values_list("allocations__sda")
    return ReservedState(
        draining=BackendGroup.objects.values_list("draining", flat=True).get(pk=group_id),
        busy=frozenset(busy),
        ready=dict(ready.annotate(devices=Count("pk"))),
        maintenance=_first_maintenance(ids),
        now_ms=to_ms(now),
    )


def _first_maintenance(sdas: Collection[int]) -> dict[int, int]:
    held = Allocation.objects.filter(OPEN, job__isnull=True, sda__in=sdas)
    begins = held.filter(device__backend__maintenance__left_at__isnull=True).order_by().values("sda_id")
    rows = begins.values_list("sda_id", Min("device__backend__maintenance__window__starts_at"))
    return {sda: to_ms(at) for sda, at in rows if at is not None}


def pending_reason_of(job: ReservedJob, state: ReservedState) -> Waits | None:
    """Return the pending reason of a job on its SDA; None if it can start."""
    if state.draining:
        return Waits(job.pk, PendingReason.GROUP_DRAINING, job.devices, 0)
    if job.stopped:
        return Waits(job.pk, PendingReason.TOKEN_STOPPED, job.devices, 0)
    if job.sda_id in state.busy:
        return Waits(job.pk, PendingReason.SDA_BUSY, 1, 0)
    ready = state.ready.get(job.sda_id, 0)
    if ready < job.devices:
        return Waits(job.pk, PendingReason.NOT_ENOUGH_DEVICES, job.devices, ready)
    if not may_take(state.maintenance.get(job.sda_id), state.now_ms, job.limit_ms):
        return Waits(job.pk, PendingReason.MAINTENANCE, job.devices, 0)
    return None


def start_reserved(lease: QueueLease) -> None:
    """Start the first waiting job of each reserved SDA if it can start, and store the pending reasons of the others."""
    if not _waiting(lease.group_id).exists():
        return
    sdas = set(_waiting(lease.group_id).values_list("sda_id", flat=True))
    state = read_reserved_state(lease.group_id, sdas)
    started: set[int] = set()
    for job in _reserved_jobs(_waiting(lease.group_id)):
        if job.sda_id not in started and pending_reason_of(job, state) is None and _start(lease, job.pk):
            started.add(job.sda_id)
    _store_reasons(lease, sdas)


def _store_reasons(lease: QueueLease, sdas: Iterable[int]) -> None:
    """Store the pending reasons of the jobs that still wait."""
    state = read_reserved_state(lease.group_id, sdas)
    waits = [pending_reason_of(job, state) for job in _reserved_jobs(_waiting(lease.group_id))]
    with transaction.atomic():
        lease.check()
        store_reserved_pending_reasons(lease.group_id, [one for one in waits if one])


def _waiting(group_id: int) -> QuerySet[Job]:
    return Job.objects.filter(WAITING, group=group_id, sda__reserved=True).order_by(*ORDER)


def _reserved_jobs(jobs: QuerySet[Job]) -> Iterable[ReservedJob]:
    rows = jobs.values_list("pk", "sda_id", "num_devices", "token__stopped_at", "time_limit")
    return [
        ReservedJob(pk, sda, devices, stopped is not None, as_ms(limit)) for pk, sda, devices, stopped, limit in rows
    ]


def _ready(now: datetime) -> QuerySet[Device]:
    """Return the PREPARING devices on nodes that are in service, heard from and not being switched."""
    return Device.objects.filter(
        ~is_being_switched("backend"),
        status=DeviceStatus.PREPARING,
        drain_to="",
        backend__deleted_at__isnull=True,
        backend__status=BackendStatus.ACTIVE,
        backend__agent__last_seen__gte=silence_cutoff(now),
    )


@transaction.atomic
def _start(lease: QueueLease, job_id: int) -> bool:
    """Start a job if it can still start; wait for transactions that stop its token or take a device out of service."""
    lease.check()
    job = Job.objects.filter(WAITING, pk=job_id).first()
    if job is None or is_draining(lease.group_id) or job.token_id in read_limits([job.token_id], lock=True).stopped:
        return False
    mine = Device.objects.filter(HELD, allocations__sda=job.sda_id)
    usable = usable_nodes(set(mine.order_by().values_list("backend_id", flat=True)))
    now = db_now()
    ready = _ready(now).filter(HELD, allocations__sda=job.sda_id, backend__in=usable).select_for_update(of=("self",))
    devices = sorted(ready.order_by("pk"), key=attrgetter("backend_id", "index"))
    soonest = min((to_ms(at) for at in usable.values() if at is not None), default=None)
    if not may_take(soonest, to_ms(now), as_ms(job.time_limit)):
        return False
    busy = Job.objects.filter(sda=job.sda_id, status__in=HOLDING).exists()
    still = Job.objects.select_for_update(of=("self",)).filter(WAITING, pk=job_id).exists()
    if busy or not still or len(devices) < job.num_devices:
        return False
    known = WaitingJob(job.pk, job.sda_id, job.token_id, job.attempt, job.group_id, job.requested_at)
    held_for_it = devices[: job.num_devices]
    places = tuple((device.backend_id, device.pk, device.index) for device in held_for_it)
    bind_jobs([Binding(known, places)], reserved=True)
    return True


def reserved_in_front(group_id: int, priority: int, *, fair: bool) -> int:
    """Return how many jobs on reserved SDAs wait in front of a new job of this priority, or of a fair group's any job.

    No plan orders them; in a fair group those that no cycle ranks are the last of their priority.
    """
    same = Q(priority=priority, fair_rank__lt=LAST_FAIR_RANK) if fair else Q(priority=priority)
    return _waiting(group_id).filter(Q(priority__gt=priority) | same).count()


def dry_run_reserved(group_id: int, job: ReservedJob, priority: int) -> tuple[int, Waits | None]:
    """Return the place that a new job would have in its group's queue, and its pending reason."""
    here = Job.objects.filter(WAITING, group=group_id, priority__gte=priority)
    waits = pending_reason_of(job, read_reserved_state(group_id, [job.sda_id]))
    if waits is None and here.filter(sda=job.sda_id).exists():
        waits = Waits(job.pk, PendingReason.SDA_BUSY, 1, 0)  # a job that waits there goes first
    return here.count() + 1, waits
