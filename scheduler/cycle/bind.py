"""Bind jobs to devices in the caller's transaction: lock what is bound, and write the rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef

from backends.binding import usable_nodes
from backends.choices import DeviceStatus, OrderVerb
from backends.models import Device
from backends.services.devices import transition_devices
from backends.services.orders import NewOrder, give_orders
from core.bulk import insert_rows, reserve_ids
from core.clock import db_now, to_ms
from core.wakeups import publish_on_commit
from events.actor import SYSTEM
from events.services import NewEvent, record_all
from scheduler.choices import JOB_TRANSITIONS, JobStatus, WorkerState
from scheduler.cycle.limits import read_limits
from scheduler.cycle.maintenance import kept_out
from scheduler.cycle.waits import count_waits_on_commit
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.policy.decisions import Placed
from scheduler.policy.quota import QuotaLedger
from scheduler.policy.snapshot import QueuedRequest
from scheduler.queries.allocations import ended_after, start_after

MS = timedelta(milliseconds=1)


def as_ms(limit: timedelta | None) -> int | None:
    """Return a time limit in milliseconds."""
    return None if limit is None else limit // MS


class WaitingJob(NamedTuple):
    """The columns of a job that are needed to bind it."""

    pk: int
    sda_id: int
    token_id: int
    attempt: int
    group_id: int
    requested_at: datetime
    time_limit: timedelta | None = None


class Binding(NamedTuple):
    """A job with the devices it gets, as (backend id, device id, index) in the order of backends."""

    job: WaitingJob
    devices: tuple[tuple[int, int, int], ...]


def lock_bindable(group_id: int, batch: Sequence[Placed]) -> list[Binding]:
    """Lock jobs, nodes and devices; return the decisions that are still possible.

    Their jobs wait, their nodes are in service in the group and without maintenance too soon, their devices are free,
    and no limit is exceeded. Limits are locked first, because reserving devices locks the token before the devices as
    well.
    """
    quota = QuotaLedger(read_limits(_tokens_of(batch), lock=True), {})
    waiting = Job.objects.select_for_update().filter(WAITING, pk__in=[placed.request_id for placed in batch])
    jobs = {row[0]: WaitingJob(*row) for row in waiting.order_by("pk").values_list(*WaitingJob._fields)}
    usable = usable_nodes({node for placed in batch for node, _mask in placed.devices}, group_id=group_id)
    limits = {pk: as_ms(job.time_limit) for pk, job in jobs.items()}
    refused = kept_out(batch, usable, limits)
    idle = _idle_devices(usable)
    bindings = (_binding(placed, jobs, idle) for placed in batch if placed.request_id not in refused)
    return _within_limits(quota, [binding for binding in bindings if binding])


def _tokens_of(batch: Sequence[Placed]) -> set[int]:
    jobs = Job.objects.filter(pk__in=[placed.request_id for placed in batch])
    return set(jobs.order_by().values_list("token_id", flat=True))


def _idle_devices(backend_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """Lock the free devices of some nodes; return their ids by (backend id, index).

    An IDLE device that is held is left to the reconciler, so that it does not fail the whole batch.
    """
    held = Exists(Allocation.objects.filter(device=OuterRef("pk"), ended_at=None))
    free = Device.objects.select_for_update(of=("self",)).filter(backend__in=backend_ids, status=DeviceStatus.IDLE)
    idle = free.filter(~held)
    return {(node, index): pk for pk, node, index in idle.order_by("pk").values_list("pk", "backend_id", "index")}


def _binding(placed: Placed, jobs: dict[int, WaitingJob], idle: dict[tuple[int, int], int]) -> Binding | None:
    """Return the job with its devices, or None if it does not wait or one of them is not free."""
    wanted = list(placed.places())
    job = jobs.get(placed.request_id)
    if job is None or not all(place in idle for place in wanted):
        return None
    return Binding(job, tuple((node, idle[node, index], index) for node, index in wanted))


def _within_limits(quota: QuotaLedger, bindings: Sequence[Binding]) -> list[Binding]:
    """Return the bindings that stay within all limits; other backend groups may have used them since the plan."""
    bindable = []
    for binding in bindings:
        job = binding.job
        request = QueuedRequest(job.pk, job.token_id, job.sda_id, len(binding.devices), 0, 0)
        if not quota.violation(request):
            quota.take(request)
            bindable.append(binding)
    return bindable


def bind_jobs(bindings: Sequence[Binding], *, reserved: bool = False) -> None:
    """Set waiting jobs SUBMITTED, with allocations, workers, START orders and events.

    The caller has locked jobs and devices. `reserved`: the SDAs hold the devices, and are billed for them, already.
    """
    starts = _starts(bindings, db_now(), reserved=reserved)
    if not reserved:
        _allocate(bindings, starts)
    _submit(starts)
    _order_starts(bindings)
    record_all(
        (NewEvent("SUBMIT_JOB", f"job/{job.pk}", job.token_id, {"devices": len(devices)}) for job, devices in bindings),
        actor=SYSTEM,
    )
    publish_on_commit("job", list(starts))
    _count_waits([job for job, _devices in bindings], starts)


def _count_waits(jobs: Sequence[WaitingJob], starts: Mapping[int, datetime]) -> None:
    for group_id in {job.group_id for job in jobs}:
        mine = (job for job in jobs if job.group_id == group_id)
        count_waits_on_commit(group_id, (to_ms(starts[job.pk]) - to_ms(job.requested_at) for job in mine))


def _starts(bindings: Sequence[Binding], now: datetime, *, reserved: bool) -> dict[int, datetime]:
    """Return when each job gets its devices."""
    late = [] if reserved else ended_after(now)
    return {
        job.pk: start_after(now, late, {device for _node, device, _index in devices}, job=job.pk) if late else now
        for job, devices in bindings
    }


def _submit(starts: Mapping[int, datetime]) -> None:
    """Set jobs SUBMITTED at their times: all of them at the same, unless the clock was set back."""
    for at in set(starts.values()):
        ids = [pk for pk, start in starts.items() if start == at]
        Job.objects.filter(pk__in=ids, status__in=JOB_TRANSITIONS.before(JobStatus.SUBMITTED)).update(
            status=JobStatus.SUBMITTED, submitted_at=at, revision=F("revision") + 1, pending_reason=""
        )


def _allocate(bindings: Sequence[Binding], starts: Mapping[int, datetime]) -> None:
    transition_devices(
        (device for _job, devices in bindings for _node, device, _index in devices), DeviceStatus.PREPARING
    )
    rows = (
        (job.pk, job.sda_id, job.token_id, device, starts[job.pk])
        for job, devices in bindings
        for _node, device, _index in devices
    )
    insert_rows(Allocation, ("job_id", "sda_id", "token_id", "device_id", "started_at"), rows)


def _order_starts(bindings: Sequence[Binding]) -> None:
    """Create the workers of bound jobs, one on each node, and order the agents to start them."""
    workers = [(binding.job, *worker) for binding in bindings for worker in _by_backend(binding)]
    ids = reserve_ids(Worker, len(workers))
    state = WorkerState.STARTING.value
    rows = (
        (pk, job.pk, job.attempt, backend_id, indexes, state, "", "")
        for pk, (job, backend_id, indexes) in zip(ids, workers, strict=True)
    )
    insert_rows(Worker, ("id", "job_id", "attempt", "backend_id", "devices", "state", "address", "error"), rows)
    give_orders(
        NewOrder(backend_id, OrderVerb.START, pk, indexes)
        for pk, (_job, backend_id, indexes) in zip(ids, workers, strict=True)
    )


def _by_backend(binding: Binding) -> Iterable[tuple[int, list[int]]]:
    for backend_id, devices in groupby(binding.devices, key=itemgetter(0)):
        yield backend_id, [index for _node, _device, index in devices]
