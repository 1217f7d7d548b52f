"""Workers and the agents that run them: greetings, results of orders, and health."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, QuerySet

from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node
from backends.choices import (
    MAX_DEVICES,
    BackendStatus,
    DeviceStatus,
    OrderVerb,
    ShutdownReason,
)
from backends.models import Agent, Backend, Device, Order
from backends.queries import open_orders
from backends.services.agents import (
    Newcomer,
    open_session,
    quarantine,
    recover_backends,
    store_reported_devices,
)
from backends.services.cards import known_cards, take_cards
from backends.services.devices import (
    clean_apart,
    clean_chosen,
    clean_devices,
    cleaned_by,
    finish_cleaning,
    transition_devices,
)
from backends.services.node_alerts import clear_loss
from backends.services.nodes import set_backend_status
from backends.services.orders import NewOrder, give_orders, open_order, settle_order
from core.clock import db_now_after
from core.wakeups import publish_on_commit
from events.actor import SYSTEM
from events.services import record
from scheduler.choices import HOLDING, JOB_TRANSITIONS, WORKER_TRANSITIONS, Cause, JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries.allocations import OPEN
from scheduler.services.checks import NOT_CHECKED, CheckResult, fail_preflight, record_check
from scheduler.services.cleaning import give_up, note_clean
from scheduler.services.jobs import end_job
from scheduler.services.reserved_devices import reserve_again
from scheduler.services.unknown_workers import forget_unknown, leave_alone, overdue_unknown
from scheduler.signals import queue_changed

log = structlog.get_logger(__name__)
MOST_STOPS = 2 * MAX_DEVICES  # open at once: each device may have a worker that ends and one that starts
PRESENT = (WorkerState.STARTING, WorkerState.RUNNING)


@transaction.atomic
def greet_agent(newcomer: Newcomer) -> dict[int, int]:
    """Make the records agree with what an agent runs; return the workers that should run, with their jobs.

    Raises StaleAgent, DuplicateAgent.
    """
    backend, running = newcomer.backend, newcomer.running
    open_session(newcomer)
    known = known_cards([backend.pk])
    models = dict(Device.objects.filter(backend=backend).values_list("pk", "model"))
    vanished = store_reported_devices(backend, newcomer.hello.devices)
    gone = Device.objects.filter(pk__in=vanished)
    give_up(gone, ShutdownReason.VANISHED, backend=backend, detail="a device vanished")
    note_clean(vanished)
    ours = dict(Worker.objects.filter(backend=backend, state__in=PRESENT).values_list("pk", "state"))
    lost = [pk for pk, state in ours.items() if state == WorkerState.RUNNING and pk not in running]
    # Their jobs are locked before the first of them ends, and end in the order of `end_jobs`.
    jobs = Job.objects.select_for_update(of=("self",)).filter(workers__in=lost).order_by("pk")
    for _token, _job, pk in sorted(jobs.values_list("token_id", "pk", "workers__pk")):
        lose_worker(backend, pk, error="the worker was gone when its agent came back")
    take_cards(newcomer.cards(), known, models)
    wanted = dict(Worker.objects.filter(backend=backend, state__in=PRESENT).values_list("pk", "job_id"))
    strangers = {pk: indexes for pk, indexes in running.items() if pk not in wanted}
    left = leave_alone(newcomer, strangers)
    stop_strangers(backend.pk, {pk: indexes for pk, indexes in strangers.items() if pk not in left})
    occupied = {index for indexes in strangers.values() for index in indexes}
    usable = [device.index for device in newcomer.hello.devices if device.index not in occupied]
    bring_back([newcomer], Device.objects.filter(backend=backend, index__in=usable))
    return {**wanted, **left}


def stop_strangers(backend_id: int, strangers: Mapping[int, Sequence[int]]) -> None:
    """Order an agent to stop workers of jobs that are over, except those with an open STOP order.

    A node has at most MOST_STOPS such orders open; the other workers are stopped when some are settled.
    """
    if not strangers:
        return
    ordered = set(open_orders([backend_id]).filter(verb=OrderVerb.STOP).values_list("ref", flat=True))
    new = [(pk, indexes) for pk, indexes in strangers.items() if pk not in ordered][: max(0, MOST_STOPS - len(ordered))]
    give_orders(NewOrder(backend_id, OrderVerb.STOP, pk, list(indexes)) for pk, indexes in new)


@transaction.atomic
def stop_overdue_unknown(backend_id: int) -> None:
    """Order the unknown workers of a node to stop whose MOREH_UNKNOWN_WORKER_GRACE is over."""
    Agent.objects.select_for_update().get(pk=backend_id)
    overdue = overdue_unknown().filter(backend=backend_id)
    stop_strangers(backend_id, dict(overdue.values_list("worker_id", "devices")))


def bring_back(newcomers: Sequence[Newcomer], devices: QuerySet[Device]) -> None:
    """Put nodes back into service that were shut down because their agents were away, and clean their devices.

    In the caller's transaction. `devices` has none under unexpected workers, because these must stop first.
    """
    actors = {newcomer.backend.pk: newcomer.actor for newcomer in newcomers}
    running = {pk for newcomer in newcomers for pk in newcomer.running}
    gone = Worker.objects.filter(backend__in=actors, state=WorkerState.STOPPING).exclude(pk__in=running)
    gone.update(state=WorkerState.GONE)
    clean_chosen(devices)
    recover_backends(actors)
    clear_loss(actors)
    for group_id in {newcomer.backend.group_id for newcomer in newcomers}:
        queue_changed.send(Job, group_id=group_id)


@transaction.atomic
def take_result(
    backend: Backend,
    order_id: UUID,
    *,
    ok: bool,
    error: str = "",
    address: str = "",
    checked: CheckResult = NOT_CHECKED,
) -> None:
    """Act on an agent's result of an order; only the first result counts."""
    order = open_order(backend, order_id)
    if order is None:
        return
    worker = _locked_worker(backend, order.ref) if order.verb == OrderVerb.START else None
    if not settle_order(order, ok=ok, error=error):
        return
    if worker and checked.failed and not ok:
        fail_preflight(backend, worker, checked, error=error)
    elif worker:
        _started(backend, worker, ok=ok, error=error, address=address)
    elif order.verb == OrderVerb.STOP and ok:
        _stopped(backend, order)
    elif order.verb == OrderVerb.CLEAN:
        _cleaned(backend, order, ok=ok)
    elif order.verb == OrderVerb.CHECK and order.devices and not checked.whole:
        record_check(
            backend, order.devices, checked, error=error, known=ok or bool({*checked.failed} & {*order.devices})
        )
    elif order.verb == OrderVerb.CHECK:
        note_health(backend, ok=ok, error=error)


def _locked_worker(backend: Backend, worker_id: int | None) -> Worker | None:
    """Return a worker of the node, with its job locked: whoever ends the job locks it before orders and workers."""
    here = Worker.objects.filter(pk=worker_id or 0, backend=backend)
    return here.select_related("job").select_for_update(of=("job",)).first()


def _started(backend: Backend, worker: Worker, *, ok: bool, error: str, address: str) -> None:
    if not ok:
        lose_worker(backend, worker.pk, error=error)
        return
    job = worker.job
    up = Worker.objects.filter(pk=worker.pk, state__in=WORKER_TRANSITIONS.before(WorkerState.RUNNING))
    if job.status != JobStatus.SUBMITTED or not up.update(state=WorkerState.RUNNING, address=address[:64]):
        return
    if not Worker.objects.filter(job=job, attempt=job.attempt, state=WorkerState.STARTING).exists():
        _run(job)


def _run(job: Job) -> None:
    """Set a job RUNNING, because all its workers are up."""
    now = db_now_after(job.submitted_at)
    Job.objects.filter(pk=job.pk, status__in=JOB_TRANSITIONS.before(JobStatus.RUNNING)).update(
        status=JobStatus.RUNNING, started_at=now, revision=F("revision") + 1
    )
    held = Allocation.objects.filter(OPEN, sda=job.sda_id, job__isnull=True)
    own = Allocation.objects.filter(OPEN, job=job)
    devices = list(own.values_list("device_id", flat=True)) or list(held.values_list("device_id", flat=True))
    transition_devices(devices, DeviceStatus.PROCESSING)
    record("START_JOB", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id)
    publish_on_commit("job", [job.pk])


def _stopped(backend: Backend, order: Order) -> None:
    present = Worker.objects.filter(pk=order.ref or 0, backend=backend)
    present.filter(state__in=WORKER_TRANSITIONS.before(WorkerState.GONE)).update(state=WorkerState.GONE)
    forget_unknown(backend, order.ref or 0)
    clean_devices(backend, order.devices)


def _cleaned(backend: Backend, order: Order, *, ok: bool) -> None:
    if ok:
        take_cleanings([order])
        return
    if len(order.devices) > 1:
        clean_apart(cleaned_by([order]))
        return
    note_clean(quarantine(cleaned_by([order]), ShutdownReason.NOT_CLEANED, backend=backend))


def take_cleanings(orders: Sequence[Order]) -> None:
    """Free the devices of CLEAN orders that were carried out, in the caller's transaction."""
    # Locked: what keeps a device out of service is the same in all statements that follow.
    ids = list(cleaned_by(orders).select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    finish_cleaning(orders)
    note_clean(ids)
    reserve_again(ids)


@transaction.atomic
def lose_worker(backend: Backend, worker_id: int, *, error: str) -> None:
    """End the job of a worker that could not start or has died as FAILED."""
    worker = _locked_worker(backend, worker_id)
    if worker is None or worker.state not in PRESENT:
        forget_unknown(backend, worker_id)
        return
    Worker.objects.filter(pk=worker.pk).update(error=error[:512])
    end_job(
        worker.job_id,
        JobStatus.FAILED,
        cause=Cause.WORKER_ERROR,
        detail=f"{backend.name}: {error}",
        actor=SYSTEM,
        only=HOLDING,
    )


@transaction.atomic
def note_health(backend: Backend, *, ok: bool, error: str = "") -> None:
    """Take a node out of service when its health check fails, and put it back when it succeeds again."""
    sick = Backend.objects.filter(pk=backend.pk, status=BackendStatus.SHUTDOWN, why=ShutdownReason.UNHEALTHY).exists()
    if ok and sick:
        set_backend_status(backend, BackendStatus.ACTIVE, actor=SYSTEM)
    elif not ok and Backend.objects.filter(pk=backend.pk, status=BackendStatus.ACTIVE).exists():
        set_backend_status(backend, BackendStatus.SHUTDOWN, actor=SYSTEM, why=ShutdownReason.UNHEALTHY)
        raise_alert(Code.CHECK_FAILED, node(backend.pk), node=backend.name, error=error)
