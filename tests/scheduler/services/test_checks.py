"""Health checks of devices: before a job starts, and at intervals on idle ones."""

from datetime import timedelta
from typing import Any

import pytest

from backends.choices import OrderVerb, PowerStatus
from backends.models import Agent, Bmc, Device, Finding, ManagerPresence, Order
from backends.services.groups import update_backend_group
from core.clock import db_now
from events.models import Event
from scheduler.choices import JobStatus, WorkerState
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Worker
from scheduler.queries.workers import start_orders
from scheduler.services.checks import CheckResult, check_device, give_due_checks
from scheduler.services.jobs import finish_job
from scheduler.services.lost_nodes import power_down_backend
from scheduler.services.nodes import delete_backend
from scheduler.services.sdas import create_sda
from scheduler.services.workers import take_result
from scheduler.work import sweep
from tests import make

pytestmark = pytest.mark.django_db


def want_checks(**fields: Any) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, **fields)


def fail_start(node: Any, *, text: str = "bad HBM") -> None:
    """Let the node's agent find the devices of its open START order bad."""
    order = make.orders(node).get(verb=OrderVerb.START)
    devices = Worker.objects.get(pk=order.ref or 0).devices
    take_result(node, order.pk, ok=False, error=text, checked=CheckResult(devices))


def seen(node: Any) -> list[tuple[str, str]]:
    return list(Device.objects.filter(backend=node).order_by("index").values_list("verdict", "status"))


def test_a_job_whose_preflight_fails_is_placed_elsewhere_at_once_and_has_not_failed() -> None:
    want_checks(preflight=True)
    first, second = make.ready_backend(2), make.ready_backend(2)
    job = make.job(num_devices=2)
    tick(job.group_id)
    bad = Worker.objects.get(job=job)
    node, other = (first, second) if bad.backend_id == first.pk else (second, first)
    fail_start(node)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.cause) == (JobStatus.WAITING, 2, "")
    assert seen(node) == [("FAILED", "CLEANING")] * 2
    findings = list(Finding.objects.values_list("code", "text", "ended_at"))
    assert findings == [("CHECK_FAILED", "bad HBM", None)] * 2
    event = Event.objects.get(action="PREFLIGHT_FAILED")
    assert (event.subject, event.token_id) == (f"job/{job.pk}", job.token_id)
    assert event.request == {"backend": node.pk, "devices": [0, 1]}
    tick(job.group_id)
    make.answer(other, "START")
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.RUNNING, 2)
    assert set(Allocation.objects.filter(job=job, ended_at=None).values_list("device__backend", flat=True)) == {
        other.pk
    }
    make.answer(node)
    assert seen(node) == [("FAILED", "SHUTDOWN")] * 2
    assert Worker.objects.get(pk=bad.pk).state == WorkerState.GONE


def test_a_job_over_two_nodes_is_put_back_whole() -> None:
    want_checks(preflight=True)
    nodes = make.ready_backend(1), make.ready_backend(1)
    job = make.job(num_devices=2)
    tick(job.group_id)
    make.answer(nodes[0], "START")
    fail_start(nodes[1])
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.WAITING, 2)
    for node in nodes:
        make.answer(node)
    assert (seen(nodes[0]), seen(nodes[1])) == ([("HEALTHY", "IDLE")], [("FAILED", "SHUTDOWN")])
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.pending_reason) == (JobStatus.WAITING, "NOT_ENOUGH_DEVICES")


def test_preflights_that_always_fail_end_when_no_device_is_left() -> None:
    want_checks(preflight=True)
    node = make.ready_backend(4)
    job = make.job()
    for attempt in range(1, 5):
        tick(job.group_id)
        job.refresh_from_db()
        assert (job.status, job.attempt) == (JobStatus.SUBMITTED, attempt)
        fail_start(node)
        make.answer(node)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.attempt, seen(node)) == (JobStatus.WAITING, 5, [("FAILED", "SHUTDOWN")] * 4)


def test_a_reserved_sda_keeps_its_failed_device_and_its_job_waits() -> None:
    want_checks(preflight=True)
    node = make.ready_backend(2)
    sda = create_sda(make.token(), make.sda_model(1), actor=make.ACTOR, reserved=True)
    job = make.job(sda)
    tick(job.group_id)
    fail_start(node)
    make.answer(node)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.pending_reason) == (JobStatus.WAITING, 2, "NOT_ENOUGH_DEVICES")
    assert sorted(seen(node)) == [("FAILED", "SHUTDOWN"), ("HEALTHY", "IDLE")]


@pytest.mark.parametrize("checked", [CheckResult([9]), CheckResult([0], busy=[0])])
def test_a_preflight_that_fails_on_no_device_of_its_worker_fails_all_of_them(checked: CheckResult) -> None:
    want_checks(preflight=True)
    node = make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    take_result(node, make.orders(node).get(verb=OrderVerb.START).pk, ok=False, error="bad", checked=checked)
    job.refresh_from_db()
    device = node.devices.get()
    assert (job.status, device.verdict, Event.objects.get(action="PREFLIGHT_FAILED").request["devices"]) == (
        JobStatus.WAITING,
        "FAILED",
        [0],
    )


def test_a_preflight_of_a_job_that_is_over_changes_nothing() -> None:
    want_checks(preflight=True)
    node = make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    order = make.orders(node).get(verb=OrderVerb.START)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    take_result(node, order.pk, ok=False, error="late", checked=CheckResult([0]))
    job.refresh_from_db()
    assert (job.status, job.attempt, Finding.objects.count()) == (JobStatus.COMPLETED, 1, 0)


def silence(node: Any) -> None:
    """Let a node's agent fall silent, as one that died, long after a manager began to listen."""
    now = db_now()
    ManagerPresence.objects.update_or_create(pk=1, defaults={"since": now - timedelta(hours=1), "seen": now})
    Agent.objects.filter(pk=node.pk).update(last_seen=now - timedelta(seconds=31))


def preparing(first: Any, second: Any) -> tuple[Job, Any, Any]:
    """Return a job that waits for its preflight, its node and the other one."""
    job = make.job()
    tick(job.group_id)
    chosen = Worker.objects.get(job=job).backend_id
    return (job, first, second) if chosen == first.pk else (job, second, first)


def test_a_job_leaves_a_node_whose_agent_falls_silent_during_its_preflight() -> None:
    want_checks(preflight=True)
    job, node, other = preparing(make.ready_backend(1), make.ready_backend(1))
    sweep()
    silence(node)
    sweep()
    job.refresh_from_db()
    assert (job.status, job.attempt, job.cause) == (JobStatus.WAITING, 2, "")
    assert Event.objects.get(action="PREFLIGHT_FAILED").request == {"devices": []}
    tick(job.group_id)
    make.answer(other, "START")
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.RUNNING, 2)
    assert seen(node) == [("HEALTHY", "CLEANING")]


def test_a_node_that_loses_its_power_during_a_preflight_fails_no_job() -> None:
    want_checks(preflight=True)
    job, node, _other = preparing(make.ready_backend(1), make.ready_backend(1))
    Agent.objects.filter(pk=node.pk).update(last_seen=db_now() - timedelta(seconds=1))
    Bmc.objects.filter(pk=node.pk).update(status=PowerStatus.OFF, checked_at=db_now())
    power_down_backend(node.pk)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.cause) == (JobStatus.WAITING, 2, "")
    assert seen(node) == [("HEALTHY", "SHUTDOWN")]


def test_without_a_preflight_a_job_stays_on_a_silent_node() -> None:
    job, node, _other = preparing(make.ready_backend(1), make.ready_backend(1))
    silence(node)
    sweep()
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.SUBMITTED, 1)


def test_a_start_carries_the_check_of_its_group_only_where_it_is_wanted() -> None:
    make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    worker = Worker.objects.get(job=job)

    def preflight() -> tuple[bool, str]:
        found: Any = start_orders([worker.pk])[worker.pk]
        return found.preflight, found.check_command

    assert preflight() == (False, "")
    want_checks(preflight=True, check_command="/opt/check --quick")
    assert preflight() == (True, "/opt/check --quick")


def checks() -> list[tuple[int, list[int]]]:
    found = Order.objects.filter(verb=OrderVerb.CHECK, settled_at=None).order_by("backend_id")
    return list(found.values_list("backend_id", "devices"))


def check_ends(node: Any, *failed: int) -> None:
    order = make.orders(node).get(verb=OrderVerb.CHECK)
    take_result(node, order.pk, ok=True, error="bad" if failed else "", checked=CheckResult(failed))


def test_idle_devices_are_checked_at_intervals_a_few_nodes_at_a_time(settings: Any) -> None:
    settings.MOREH_CHECKS_AT_ONCE = 2
    nodes = [make.ready_backend(2) for _ in range(3)]
    assert (give_due_checks(), checks()) == (0, [])
    want_checks(check_every_h=6)
    running = make.running_job(nodes[0])
    busy = Allocation.objects.get(job=running).device.index
    assert give_due_checks() == 2
    assert checks() == [(nodes[0].pk, [1 - busy]), (nodes[1].pk, [0, 1])]
    assert give_due_checks() == 0
    check_ends(nodes[0])
    check_ends(nodes[1], 1)
    assert seen(nodes[1]) == [("HEALTHY", "IDLE"), ("FAILED", "SHUTDOWN")]
    assert give_due_checks() == 1
    assert checks() == [(nodes[2].pk, [0, 1])]
    check_ends(nodes[2])
    assert give_due_checks() == 0
    Device.objects.filter(backend=nodes[1]).update(checked_at=db_now() - timedelta(hours=7))
    assert (give_due_checks(), checks()) == (1, [(nodes[1].pk, [0])])


def test_a_check_of_a_node_that_is_gone_holds_no_other_back(settings: Any) -> None:
    settings.MOREH_CHECKS_AT_ONCE = 1
    want_checks(check_every_h=1)
    dead, deleted, good = (make.ready_backend(1) for _ in range(3))
    assert (give_due_checks(), give_due_checks()) == (1, 0)
    Agent.objects.filter(pk=dead.pk).update(session=None)
    assert (give_due_checks(), give_due_checks()) == (1, 0)
    delete_backend(deleted, actor=make.ACTOR)
    assert give_due_checks() == 1
    assert checks() == [(node.pk, [0]) for node in (dead, deleted, good)]


def test_silent_nodes_and_those_out_of_service_are_not_checked() -> None:
    want_checks(check_every_h=1)
    silent, out = make.ready_backend(1), make.ready_backend(1)
    silent.agent.session = None
    silent.agent.save()
    out.status = "SHUTDOWN"
    out.save()
    assert give_due_checks() == 0


def test_a_check_that_could_not_be_carried_out_says_nothing_about_devices() -> None:
    want_checks(check_every_h=1)
    node = make.ready_backend(1)
    give_due_checks()
    check_ends(node, 0)
    assert check_device(node.devices.get())
    order = make.orders(node).get(verb=OrderVerb.CHECK)
    take_result(node, order.pk, ok=False, error="no memory")
    finding = Finding.objects.get()
    assert (finding.code, finding.ended_at, seen(node)) == ("CHECK_FAILED", None, [("FAILED", "SHUTDOWN")])
