"""Jobs that begin: what each gets, and the rows that say so. The caller's transaction, under the queue's lease."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from django.db.models import F

from backends.choices import DeviceStatus, OrderVerb
from backends.models import Device
from backends.services.devices import move_devices
from backends.services.orders import NewOrder, give_orders
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.events.services import NewEvent, record_all
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.bulk import insert_rows, reserve_ids
from moreh_cloud.lib.clock import db_now
from scheduler.choices import JobStatus, WorkerState
from scheduler.limits import read_limits
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.policy.reasons import Placed
from scheduler.policy.room import Room
from scheduler.policy.snapshot import Request


class Waiting(NamedTuple):
    """What must be known of a job that begins."""

    pk: int
    sda_id: int
    token_id: int
    attempt: int


class Grant(NamedTuple):
    """A job with the very devices it gets: (backend id, device id, index), by backend."""

    job: Waiting
    devices: tuple[tuple[int, int, int], ...]


def still_possible(batch: Sequence[Placed]) -> list[Grant]:
    """Lock jobs and devices, and give what of the decisions is still true: waiting jobs, free devices, no limit hit."""
    waiting = Job.objects.select_for_update().filter(WAITING, pk__in=[placed.request_id for placed in batch])
    jobs = {row[0]: Waiting(*row) for row in waiting.order_by("pk").values_list(*Waiting._fields)}
    idle = _idle_devices({node for placed in batch for node, _mask in placed.devices})
    return _within_limits([grant for placed in batch if (grant := _grant(placed, jobs, idle))])


def _idle_devices(backend_ids: set[int]) -> dict[tuple[int, int], int]:
    """Lock the free devices of some nodes and give their ids by (backend id, index)."""
    idle = Device.objects.select_for_update().filter(backend__in=backend_ids, status=DeviceStatus.IDLE)
    return {(node, index): pk for pk, node, index in idle.order_by("pk").values_list("pk", "backend_id", "index")}


def _grant(placed: Placed, jobs: dict[int, Waiting], idle: dict[tuple[int, int], int]) -> Grant | None:
    """Give the job its devices if it still waits and all of them are still free."""
    wanted = list(placed.places())
    job = jobs.get(placed.request_id)
    if job is None or not all(place in idle for place in wanted):
        return None
    return Grant(job, tuple((node, idle[node, index], index) for node, index in wanted))


def _within_limits(grants: Sequence[Grant]) -> list[Grant]:
    """Leave out whose token, or its group, meanwhile holds too much through other backend groups."""
    room = Room(read_limits({grant.job.token_id for grant in grants}, lock=True), {})
    kept = []
    for grant in grants:
        request = Request(grant.job.pk, grant.job.token_id, grant.job.sda_id, len(grant.devices), 0, 0)
        if not room.too_much(request):
            room.take(request)
            kept.append(grant)
    return kept


def begin_jobs(grants: Sequence[Grant], *, reserved: bool = False) -> None:
    """Make waiting jobs SUBMITTED on their devices, with their workers' START orders and events.

    The caller has locked jobs and devices. The devices of a reserved SDA are held (and billed) already.
    """
    now = db_now()
    if not reserved:
        _allocate(grants, now)
    ids = [grant.job.pk for grant in grants]
    Job.objects.filter(pk__in=ids).update(
        status=JobStatus.SUBMITTED, submitted_at=now, revision=F("revision") + 1, pending_reason=""
    )
    _order_starts(grants)
    record_all(
        (
            NewEvent("SUBMIT_JOB", f"job/{grant.job.pk}", grant.job.token_id, {"devices": len(grant.devices)})
            for grant in grants
        ),
        actor=SYSTEM,
    )
    tell_on_commit("job", ids)


def _allocate(grants: Sequence[Grant], now: datetime) -> None:
    move_devices((device for grant in grants for _node, device, _index in grant.devices), DeviceStatus.PREPARING)
    rows = (
        (job.pk, job.sda_id, job.token_id, device, now) for job, devices in grants for _node, device, _index in devices
    )
    insert_rows(Allocation, ("job_id", "sda_id", "token_id", "device_id", "started_at"), rows)


def _order_starts(grants: Sequence[Grant]) -> None:
    """Make the workers of jobs that begin, one on each of their nodes, and order the agents to start them."""
    parts = [(grant.job, *part) for grant in grants for part in _by_backend(grant)]
    ids = reserve_ids(Worker, len(parts))
    state = WorkerState.STARTING.value
    rows = (
        (pk, job.pk, job.attempt, backend_id, indexes, state, "", "")
        for pk, (job, backend_id, indexes) in zip(ids, parts, strict=True)
    )
    insert_rows(Worker, ("id", "job_id", "attempt", "backend_id", "devices", "state", "address", "error"), rows)
    give_orders(
        NewOrder(backend_id, OrderVerb.START, pk, indexes)
        for pk, (_job, backend_id, indexes) in zip(ids, parts, strict=True)
    )


def _by_backend(grant: Grant) -> Iterable[tuple[int, list[int]]]:
    for backend_id, devices in groupby(grant.devices, key=itemgetter(0)):
        yield backend_id, [index for _node, _device, index in devices]
