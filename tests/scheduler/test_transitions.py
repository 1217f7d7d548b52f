"""Each transition of the tables happens, and nothing else: what real services do is recorded and compared."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Model

from accounts.choices import Role
from backends.choices import ActionState, OrderVerb, PowerVerb, ShutdownReason
from backends.models import Backend, Device, Order, PowerAction
from backends.services.agents import quarantine
from backends.services.orders import acknowledge_orders
from backends.services.power import DrainFirst, end_action, lease_action, record_sent, request_power
from backends.services.power_waiting import cancel_power, release_drained
from bulk.choices import ItemState
from bulk.models import BulkAction, BulkItem
from bulk.services import BulkRequest, ItemResult, begin_bulk, end_bulk, lease_bulk, settle_item, stop_bulk, take_item
from core.clock import db_now
from scheduler.choices import LIVE, Cause
from scheduler.cycle.preemption import schedule_preemptions
from scheduler.cycle.tick import tick
from scheduler.models import Job, Worker
from scheduler.reconcile import reconcile
from scheduler.services.jobs import cancel_job, finish_job, preempt_job
from scheduler.services.nodes import set_device_status
from scheduler.services.sdas import create_sda
from scheduler.services.workers import lose_worker
from sda.models import Sda
from tests import make
from tests.scheduler.cycle.test_reserved import power_off
from tests.transitions import TABLES, recorded, unchecked

pytestmark = pytest.mark.django_db


def submitted(node: Backend) -> Job:
    """Make a job whose devices are being prepared."""
    job = make.job()
    tick(job.group_id)
    return job


def operator_sets(node: Backend, *statuses: str) -> Backend:
    for status in statuses:
        set_device_status(node, status, actor=make.ACTOR)  # type: ignore[arg-type]
    return node


def cancel(job: Job) -> Job:
    cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    return job


def finish(job: Job, exit_code: int = 0) -> Job:
    finish_job(job, exit_code=exit_code, actor=make.ACTOR)
    return job


def taken_back(job: Job) -> None:
    """Take a job's devices back for another that waits for them."""
    group = job.group
    type(group).objects.filter(pk=group.pk).update(policy="backfill", preempt=True, min_run_s=0, notice_s=0)
    Job.objects.filter(pk=job.pk).update(priority=-5)
    head = make.job(make.sda(1, priority=5))
    schedule_preemptions([job.pk], preempted_by=head.pk)
    Job.objects.filter(pk=job.pk).update(preempt_at=db_now() - timedelta(seconds=1))
    assert preempt_job(job.pk)


def planted(node: Backend, status: str) -> None:
    """Contradict the records of a running job, and have that repaired."""
    job = make.running_job(node)
    with unchecked():
        Device.objects.filter(backend=node).update(status=status, why="OPERATOR" if status == "SHUTDOWN" else "")
    assert reconcile()
    cancel(job)


def reserved() -> Sda:
    """Make a reservation on which no job runs."""
    return create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)


def strange_worker(node: Backend) -> Backend:
    """Take the devices out of service under which a worker runs that the records do not know."""
    quarantine(Device.objects.filter(backend=node), ShutdownReason.UNKNOWN_WORKER, backend=node)
    return node


def powered_off(node: Backend) -> Backend:
    power_off(node)
    return node


def drained(node: Backend, status: str) -> None:
    job = make.running_job(node)
    operator_sets(node, status)
    finish(job)
    make.answer(node)


DEVICES: tuple[Callable[[Backend], object], ...] = (
    lambda node: (finish(make.running_job(node)), make.answer(node)),
    lambda node: cancel(submitted(node)),
    lambda node: operator_sets(node, "BUSY", "SHUTDOWN", "BUSY", "IDLE", "SHUTDOWN", "IDLE"),
    lambda node: drained(node, "BUSY"),
    lambda node: drained(node, "SHUTDOWN"),
    lambda node: (reserved(), operator_sets(node, "BUSY")),
    lambda node: (reserved(), powered_off(node)),
    lambda node: (make.running_job(node), strange_worker(node)),
    lambda node: planted(node, "BUSY"),
    lambda node: planted(node, "SHUTDOWN"),
    lambda node: (powered_off(node), make.hello(node, 1), make.answer(node)),
)
JOBS: tuple[Callable[[Backend], object], ...] = (
    lambda node: finish(make.running_job(node)),
    lambda node: finish(make.running_job(node), 1),
    lambda node: cancel(make.running_job(node)),
    lambda node: taken_back(make.running_job(node)),
    lambda node: finish(submitted(node)),
    lambda node: finish(submitted(node), 1),
    lambda node: cancel(submitted(node)),
    lambda node: taken_back(submitted(node)),
    lambda _node: finish(make.job(num_devices=2)),
    lambda _node: finish(make.job(num_devices=2), 1),
    lambda _node: cancel(make.job(num_devices=2)),
)


def worker_dies(node: Backend) -> None:
    job = make.running_job(node)
    lose_worker(node, Worker.objects.get(job=job).pk, error="killed")


WORKERS: tuple[Callable[[Backend], object], ...] = (
    lambda node: (finish(make.running_job(node)), make.answer(node)),
    lambda node: cancel(submitted(node)),
    worker_dies,
)


def acknowledged(node: Backend) -> Backend:
    acknowledge_orders({order.pk: node.pk for order in make.orders(node)})
    return node


ORDERS: tuple[Callable[[Backend], object], ...] = (
    lambda node: cancel(submitted(node)),
    lambda node: (cancel(make.running_job(node)), make.answer(node, OrderVerb.STOP, ok=False)),
    lambda node: (submitted(node), acknowledged(node), make.answer(node, OrderVerb.START)),
    lambda node: (submitted(node), acknowledged(node), make.answer(node, OrderVerb.START, ok=False)),
    lambda node: (job := submitted(node), acknowledged(node), cancel(job)),
)


def cancel_all() -> None:
    """Leave nothing of one scenario to the next."""
    for job in Job.objects.filter(status__in=LIVE):
        cancel(job)


def compare(model: type[Model], scenarios: tuple[Callable[[Backend], object], ...]) -> None:
    [table] = [table for (of, _column), table in TABLES.items() if of is model]
    with recorded(model) as observed:
        for scenario in scenarios:
            cancel_all()
            Backend.objects.update(deleted_at=db_now())
            scenario(make.ready_backend(1))
    assert observed == table.pairs() | table.repairs


SCHEDULED: dict[type[Model], tuple[Callable[[Backend], object], ...]] = {
    Device: DEVICES,
    Job: JOBS,
    Worker: WORKERS,
    Order: ORDERS,
}


@pytest.mark.parametrize("model", SCHEDULED)
def test_what_happens_to_rows_of_the_scheduler_is_what_their_table_allows(model: type[Model]) -> None:
    compare(model, SCHEDULED[model])


def power(verb: PowerVerb, *steps: Any) -> None:
    node = make.backend(0, bmc_user="u", bmc_password="p")
    action = request_power(node, verb, actor=make.ACTOR)
    lease = lease_action(action.pk)
    assert lease
    for step in steps:
        if isinstance(step, ActionState):
            assert end_action(lease, step)
        else:
            record_sent(lease, step)


def power_after_a_drain(*, seconds: int, job: bool = False) -> PowerAction:
    node = make.ready_backend(1)
    if job:
        make.running_job(node)
    drain = DrainFirst(db_now() + timedelta(seconds=seconds))
    return request_power(node, PowerVerb.OFF, actor=make.ACTOR, drain=drain)


def test_what_happens_to_power_actions_is_what_their_table_allows() -> None:
    with recorded(PowerAction) as observed:
        assert release_drained(power_after_a_drain(seconds=-60, job=True).pk)
        cancel_power(power_after_a_drain(seconds=60), actor=make.ACTOR)
        drained = power_after_a_drain(seconds=60)
        assert release_drained(drained.pk)
        cancel_power(drained, actor=make.ACTOR)
        power(PowerVerb.ON, PowerVerb.ON, ActionState.SUCCEEDED)
        power(PowerVerb.OFF, ActionState.FAILED)
        power(PowerVerb.OFF, ActionState.UNKNOWN)
        power(PowerVerb.RESET, PowerVerb.RESET, ActionState.SUCCEEDED)
        power(PowerVerb.RESET, PowerVerb.RESET, ActionState.FAILED)
        power(PowerVerb.SOFT, PowerVerb.SOFT, ActionState.UNKNOWN)
    [table] = [table for (model, _column), table in TABLES.items() if model is PowerAction]
    assert observed == table.pairs()


def bulk(*ends: ItemState) -> BulkAction:
    operator = make.operator(Role.GENERAL)
    return begin_bulk(
        BulkRequest("backends.Backend", "shut_down", [(number, "…") for number, _end in enumerate(ends)]),
        operator=operator,
        actor=make.ACTOR,
    )


def test_what_happens_to_bulk_actions_and_items_is_what_their_tables_allow() -> None:
    ends = (ItemState.DONE, ItemState.FAILED, ItemState.SKIPPED)
    with recorded(BulkAction) as actions, recorded(BulkItem) as items:
        ended = bulk(*ends)
        lease = lease_bulk(ended.pk)
        assert lease
        for item, end in zip(BulkItem.objects.filter(bulk=ended).order_by("pk"), ends, strict=True):
            take_item(item)
            settle_item(lease, item, ItemResult(end))
        end_bulk(lease)
        running = bulk(*ends)
        lease_bulk(running.pk)
        for each in (running, bulk(*ends)):
            stop_bulk(each, actor=make.ACTOR)
    tables = {model: table.pairs() for (model, _column), table in TABLES.items()}
    assert (actions, items) == (tables[BulkAction], tables[BulkItem])
