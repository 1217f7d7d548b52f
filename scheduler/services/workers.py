from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F

from backends.choices import BackendStatus, DeviceStatus, OrderVerb, PowerStatus, Why
from backends.models import Agent, Backend, Device, Order
from backends.queries import lost_backends
from backends.services.agents import Greeting, open_session, quarantine, see_devices, wake_backend
from backends.services.devices import clean_devices, finish_cleaning, move_devices
from backends.services.nodes import set_backend_status
from backends.services.orders import NewOrder, give_orders, settle_order
from moreh_cloud.alerts.choices import Category, Level
from moreh_cloud.alerts.services import clear_alert, raise_alert
from moreh_cloud.events.actor import SYSTEM, Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING, Cause, JobStatus, WorkerState
from scheduler.cleaning import note_clean
from scheduler.models import Allocation, Job, Worker
from scheduler.queries import OPEN, jobs_on
from scheduler.reservations import hold_again
from scheduler.services.jobs import end_job
from scheduler.signals import queue_changed

PRESENT = (WorkerState.STARTING, WorkerState.RUNNING)


@transaction.atomic
def greet_agent(
    backend: Backend, greeting: Greeting, running: Mapping[int, Sequence[int]], session: UUID, *, actor: Actor
) -> list[int]:
    """Make the records and what an agent runs agree, and give the ids of the workers that shall run.

    `running` maps worker ids to their device indexes. Raises StaleAgent, ClaimedTwice.
    """
    open_session(backend, greeting, session, actor=actor)
    vanished = _drop_vanished(backend, greeting)
    quarantine(vanished, Why.VANISHED, backend=backend)
    note_clean(vanished)
    ours = dict(Worker.objects.filter(backend=backend, state__in=PRESENT).values_list("pk", "state"))
    for pk, state in ours.items():
        if state == WorkerState.RUNNING and pk not in running:
            lose_worker(backend, pk, error="the worker was gone when its agent came back")
    wanted = list(Worker.objects.filter(backend=backend, state__in=PRESENT).values_list("pk", flat=True))
    strangers = {pk: indexes for pk, indexes in running.items() if pk not in wanted}
    _stop_strangers(backend, strangers)
    _wake(backend, greeting, strangers, actor)
    return wanted


def _drop_vanished(backend: Backend, greeting: Greeting) -> list[int]:
    """End the jobs whose devices the agent no longer sees; give the devices' ids."""
    vanished = see_devices(backend, greeting.devices)
    for job_id in jobs_on(vanished):
        end_job(job_id, JobStatus.FAILED, cause=Cause.WORKER_ERROR, detail="a device vanished", actor=SYSTEM)
    return vanished


def _stop_strangers(backend: Backend, strangers: Mapping[int, Sequence[int]]) -> None:
    """Order the agent to stop workers of jobs that are over, unless it has been told already."""
    told = set(
        Order.objects.filter(backend=backend, verb=OrderVerb.STOP, ref__in=strangers, settled_at=None).values_list(
            "ref", flat=True
        )
    )
    give_orders(
        NewOrder(backend.pk, OrderVerb.STOP, pk, list(indexes)) for pk, indexes in strangers.items() if pk not in told
    )


def _wake(backend: Backend, greeting: Greeting, strangers: Mapping[int, Sequence[int]], actor: Actor) -> None:
    """Bring back what only the agent's absence had shut down; devices under strangers wait for their STOP."""
    occupied = {index for indexes in strangers.values() for index in indexes}
    gone = Worker.objects.filter(backend=backend, state=WorkerState.STOPPING).exclude(pk__in=strangers)
    gone.update(state=WorkerState.GONE)
    clean_devices(backend, [device.index for device in greeting.devices if device.index not in occupied])
    wake_backend(backend, actor=actor)
    clear_alert(Category.NODE_LOST, subject=f"backend/{backend.pk}")
    queue_changed.send(Job, group_id=backend.group_id)


@transaction.atomic
def take_result(backend: Backend, order_id: UUID, *, ok: bool, error: str = "", address: str = "") -> None:
    """Act on what an agent says of an order; only the first answer counts."""
    order = settle_order(backend, order_id, ok=ok, error=error)
    if order is None:
        return
    if order.verb == OrderVerb.START:
        _started(backend, order, ok=ok, error=error, address=address)
    elif order.verb == OrderVerb.STOP and ok:
        _stopped(backend, order)
    elif order.verb == OrderVerb.CLEAN:
        _cleaned(backend, order, ok=ok)
    elif order.verb == OrderVerb.CHECK:
        note_health(backend, ok=ok, error=error)


def _started(backend: Backend, order: Order, *, ok: bool, error: str, address: str) -> None:
    worker = Worker.objects.filter(pk=order.ref or 0, backend=backend).first()
    if worker is None:
        return
    if not ok:
        lose_worker(backend, worker.pk, error=error)
        return
    job = Job.objects.select_for_update().get(pk=worker.job_id)
    up = Worker.objects.filter(pk=worker.pk, state=WorkerState.STARTING)
    if job.status != JobStatus.SUBMITTED or not up.update(state=WorkerState.RUNNING, address=address[:64]):
        return
    if not Worker.objects.filter(job=job, attempt=job.attempt, state=WorkerState.STARTING).exists():
        _run(job)


def _run(job: Job) -> None:
    """All workers are up: the job runs."""
    now = db_now()
    Job.objects.filter(pk=job.pk, status=JobStatus.SUBMITTED).update(
        status=JobStatus.RUNNING, started_at=now, revision=F("revision") + 1
    )
    held = Allocation.objects.filter(OPEN, sda=job.sda_id, job__isnull=True)
    own = Allocation.objects.filter(OPEN, job=job)
    devices = list(own.values_list("device_id", flat=True)) or list(held.values_list("device_id", flat=True))
    move_devices(devices, DeviceStatus.PROCESSING)
    record("START_JOB", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id)
    tell_on_commit("job", [job.pk])


def _stopped(backend: Backend, order: Order) -> None:
    Worker.objects.filter(pk=order.ref or 0, backend=backend).update(state=WorkerState.GONE)
    clean_devices(backend, order.devices)


def _cleaned(backend: Backend, order: Order, *, ok: bool) -> None:
    ours = Device.objects.filter(backend=backend, cleaner=order.pk, status=DeviceStatus.CLEANING)
    ids = list(ours.values_list("pk", flat=True))
    note_clean(ids)
    if not ok:
        quarantine(ids, Why.NOT_CLEANED, backend=backend)
        return
    finish_cleaning(order)
    hold_again(ids)


@transaction.atomic
def lose_worker(backend: Backend, worker_id: int, *, error: str) -> None:
    """Fail the job of a worker that could not start or has died."""
    worker = Worker.objects.filter(pk=worker_id, backend=backend, state__in=PRESENT).first()
    if worker is None:
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
    """Take a node out of scheduling when its health check fails, and back in when it succeeds again."""
    subject = f"backend/{backend.pk}"
    sick = Backend.objects.filter(pk=backend.pk, status=BackendStatus.SHUTDOWN, why=Why.UNHEALTHY).exists()
    if ok and sick:
        set_backend_status(backend, BackendStatus.ACTIVE, actor=SYSTEM)
        clear_alert(Category.GPU_ERROR, subject=subject)
    elif not ok and Backend.objects.filter(pk=backend.pk, status=BackendStatus.ACTIVE).exists():
        set_backend_status(backend, BackendStatus.SHUTDOWN, actor=SYSTEM, why=Why.UNHEALTHY)
        raise_alert(Category.GPU_ERROR, subject=subject, content=f"{backend.name}: health check failed: {error}")


@transaction.atomic
def lose_backend(backend_id: int) -> None:
    """Give a silent node up: its jobs fail, its devices are shut down until its agent is back."""
    Agent.objects.select_for_update().get(pk=backend_id)
    backend = lost_backends(db_now()).filter(pk=backend_id).first()
    if backend is None:
        return
    _abandon(backend, Why.NODE_LOST, Cause.NODE_LOST)
    raise_alert(
        Category.NODE_LOST,
        subject=f"backend/{backend.pk}",
        content=f"{backend.name} has been silent too long; its jobs were failed.",
        level=Level.CRITICAL,
    )


@transaction.atomic
def power_down_backend(backend_id: int) -> None:
    """Take note that a node was seen powered off and has not spoken since: nothing can run on it."""
    agent = Agent.objects.select_for_update().get(pk=backend_id)
    backend = Backend.objects.live().select_related("bmc").filter(pk=backend_id, bmc__status=PowerStatus.OFF).first()
    if backend is None or (agent.last_seen and agent.last_seen >= backend.bmc.checked_at):
        return
    _abandon(backend, Why.POWERED_OFF, Cause.POWERED_OFF)


def _abandon(backend: Backend, why: Why, cause: Cause) -> None:
    """End what ran on a node that is gone and shut it down, in the caller's transaction."""
    mine = Device.objects.filter(backend=backend)
    ids = list(mine.values_list("pk", flat=True))
    for job_id in jobs_on(ids):
        end_job(job_id, JobStatus.FAILED, cause=cause, detail=backend.name, actor=SYSTEM)
    awake = mine.exclude(status=DeviceStatus.SHUTDOWN)
    awake.update(status=DeviceStatus.SHUTDOWN, why=why, cleaner=None, since=db_now())
    note_clean(ids)
    if Backend.objects.filter(pk=backend.pk, status=BackendStatus.ACTIVE).update(
        status=BackendStatus.SHUTDOWN, why=why
    ):
        record("BACKEND_LOST", actor=SYSTEM, subject=f"backend/{backend.pk}", why=why)
