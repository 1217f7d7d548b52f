"""Agents: hello heals both sides, answers count once, silence counts only while somebody listened."""

from datetime import timedelta
from uuid import uuid4

import pytest

from backends.choices import BackendStatus, DeviceStatus, PowerStatus, Why
from backends.errors import ClaimedTwice, StaleAgent
from backends.models import Agent, Backend, Bmc, Device, ManagerPresence, Order, Telemetry
from backends.services import agents
from backends.services.agents import show_presence
from backends.services.nodes import set_backend_status
from backends.services.telemetry import Reading, take_readings
from moreh_cloud.alerts.models import Alert
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now
from scheduler.choices import Cause, JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.services import workers
from scheduler.services.jobs import finish_job
from scheduler.tick import tick
from scheduler.work import sweep
from tests import make

pytestmark = pytest.mark.django_db


def _age(**ago: timedelta) -> None:
    """Let the manager have been serving for an hour, and somebody's last sign of life be long ago."""
    now = db_now()
    ManagerPresence.objects.update_or_create(pk=1, defaults={"since": now - timedelta(hours=1), "seen": now})
    if "agent" in ago:
        Agent.objects.update(last_seen=now - ago["agent"])
    if "client" in ago:
        Job.objects.update(client_seen_at=now - ago["client"])
    if "submitted" in ago:
        Job.objects.update(submitted_at=now - ago["submitted"])
    if "cleaning" in ago:
        Device.objects.filter(status=DeviceStatus.CLEANING).update(since=now - ago["cleaning"])


def _whys(node: Backend) -> list[str]:
    return list(Device.objects.filter(backend=node).order_by("index").values_list("why", flat=True))


def test_devices_are_shut_down_until_the_first_hello_and_its_cleaning() -> None:
    node = make.backend(2)
    assert (make.statuses(node), _whys(node)) == (["SHUTDOWN"] * 2, ["NEW"] * 2)
    make.hello(node, 2)
    assert make.statuses(node) == ["CLEANING"] * 2
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2


def test_hello_brings_models_and_devices_that_nobody_had_entered() -> None:
    node = make.backend(1)
    make.hello(node, 3)
    devices = Device.objects.filter(backend=node).order_by("index")
    assert list(devices.values_list("index", "model", "total_memory")) == [
        (0, "MI250", 65_536),
        (1, "MI250", 65_536),
        (2, "MI250", 65_536),
    ]


def test_what_an_operator_shut_down_stays_so() -> None:
    from scheduler.services.sdas import set_device_status

    node = make.ready_backend(2)
    set_device_status(node, DeviceStatus.SHUTDOWN, index=0, actor=make.ACTOR)
    make.hello(node, 2, boot=2)
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN", "IDLE"]


def test_a_worker_that_is_gone_at_hello_fails_its_job() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    make.hello(node, 2, boot=2)
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.WORKER_ERROR)
    assert Worker.objects.get(job=job).state == WorkerState.GONE
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "IDLE"]


def test_a_worker_that_still_runs_at_hello_keeps_its_job() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    worker = Worker.objects.get(job=job)
    make.hello(node, 2, boot=2, running={worker.pk: [0]})
    job.refresh_from_db()
    assert (job.status, make.statuses(node)) == (JobStatus.RUNNING, ["PROCESSING", "IDLE"])


def test_a_worker_that_was_never_started_is_started_after_hello() -> None:
    node = make.ready_backend(2)
    job = make.job()
    tick(job.group_id)
    make.hello(node, 2, boot=2)
    assert make.answer(node, "START") == 1
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING


def test_a_stranger_is_stopped_before_its_devices_are_cleaned() -> None:
    node = make.backend(2)
    make.hello(node, 2, running={999: [1]})
    assert sorted(make.orders(node).values_list("verb", "ref", "devices")) == [("CLEAN", None, [0]), ("STOP", 999, [1])]
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "IDLE"]


def test_a_stranger_is_told_to_stop_once_and_is_gone_only_when_it_says_so() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    worker = Worker.objects.get(job=job)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    for boot in (2, 3):
        make.hello(node, 2, boot=boot, running={worker.pk: [0]})
        assert list(make.orders(node).values_list("verb", "ref")) == [("STOP", worker.pk)]
        assert (Worker.objects.get().state, make.statuses(node)) == (WorkerState.STOPPING, ["CLEANING", "IDLE"])
    make.answer(node, "STOP", ok=False, error="stuck")
    assert (Worker.objects.get().state, list(make.orders(node))) == (WorkerState.STOPPING, [])
    make.hello(node, 2, boot=4)
    assert Worker.objects.get().state == WorkerState.GONE
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "IDLE"]


def test_a_node_loses_only_workers_of_its_own() -> None:
    node, other = make.ready_backend(1), make.ready_backend(2)
    job = make.running_job(node)
    workers.lose_worker(other, Worker.objects.get().pk, error="not mine")
    job.refresh_from_db()
    assert (job.status, Worker.objects.get().error) == (JobStatus.RUNNING, "")


def test_a_node_that_has_just_spoken_is_not_given_up() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    _age()
    workers.lose_backend(node.pk)
    job.refresh_from_db()
    assert (job.status, make.statuses(node)) == (JobStatus.RUNNING, ["PROCESSING"])


def test_what_is_given_up_with_a_node_is_told_and_what_was_shut_down_before_stays_so() -> None:
    from scheduler.services.sdas import set_device_status

    node = make.ready_backend(3)
    set_device_status(node, DeviceStatus.SHUTDOWN, index=2, actor=make.ACTOR)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    make.answer(node, "STOP")
    assert Device.objects.filter(cleaner__isnull=False, index=0).exists()
    _age(agent=timedelta(seconds=91))
    sweep()
    assert make.statuses(node) == ["SHUTDOWN"] * 3
    assert _whys(node) == ["NODE_LOST", "NODE_LOST", "OPERATOR"]
    assert not Device.objects.filter(status=DeviceStatus.SHUTDOWN, cleaner__isnull=False, index=0).exists()
    event = Event.objects.get(action="BACKEND_LOST")
    assert (event.subject, event.request) == (f"backend/{node.pk}", {"why": "NODE_LOST"})
    make.hello(node, 3, boot=2)
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "IDLE", "SHUTDOWN"]


def test_an_earlier_start_of_the_same_agent_is_refused() -> None:
    node = make.backend(1)
    make.hello(node, 1, boot=5)
    with pytest.raises(StaleAgent):
        make.hello(node, 1, boot=4)


def test_a_second_agent_is_refused_while_the_first_is_alive_and_taken_when_it_is_silent() -> None:
    node = make.backend(1)
    make.hello(node, 1, instance="one")
    with pytest.raises(ClaimedTwice):
        make.hello(node, 1, instance="two")
    agents.report_double_claim(node, ip_address="10.9.9.9")
    assert Alert.objects.get().category == "NODE_CLAIMED_TWICE"
    _age(agent=timedelta(seconds=31))
    make.hello(node, 1, instance="two")
    assert Agent.objects.get(backend=node).instance_id == "two"


def test_a_vanished_device_takes_its_job_along_and_is_quarantined() -> None:
    node = make.ready_backend(2)
    stays, job = make.running_job(node), make.running_job(node)
    running = {worker.pk: worker.devices for worker in Worker.objects.filter(job__in=[stays, job])}
    assert sorted(running.values()) == [[0], [1]]
    make.hello(node, 1, boot=2, running=running)
    job.refresh_from_db()
    stays.refresh_from_db()
    assert (stays.status, job.status, job.detail) == (JobStatus.RUNNING, JobStatus.FAILED, "a device vanished")
    assert (make.statuses(node)[1], _whys(node)[1]) == ("SHUTDOWN", "VANISHED")
    assert Alert.objects.filter(category="GPU_ERROR").count() == 1


def test_only_the_first_answer_of_an_order_counts() -> None:
    node = make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    (start,) = make.orders(node)
    workers.take_result(node, start.pk, ok=True, address="10.0.0.1:1")
    workers.take_result(node, start.pk, ok=False, error="yesterday's news")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING


def test_an_answer_from_another_node_changes_nothing() -> None:
    node, other = make.ready_backend(1), make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    (start,) = Order.objects.filter(verb="START")
    stranger = other if start.backend_id == node.pk else node
    workers.take_result(stranger, start.pk, ok=True)
    job.refresh_from_db()
    assert job.status == JobStatus.SUBMITTED


def test_a_device_that_cannot_be_cleaned_is_quarantined_and_never_idle() -> None:
    node = make.ready_backend(1)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    make.answer(node, "STOP")
    make.answer(node, "CLEAN", ok=False, error="stuck")
    assert (make.statuses(node), _whys(node)) == (["SHUTDOWN"], ["NOT_CLEANED"])
    assert "not clean" in Alert.objects.get().content


def test_an_order_speaks_only_of_the_devices_that_it_cleans() -> None:
    node = make.ready_backend(2)
    jobs = [make.running_job(node), make.running_job(node)]
    for job in jobs:
        finish_job(job, exit_code=0, actor=make.ACTOR)
        make.answer(node, "STOP")
    first, second = make.orders(node)
    workers.take_result(node, first.pk, ok=False, error="stuck")
    assert make.statuses(node) == ["SHUTDOWN", "CLEANING"]
    assert [row.clean_at is None for row in Allocation.objects.order_by("device__index")] == [False, True]
    workers.take_result(node, second.pk, ok=True)
    assert make.statuses(node) == ["SHUTDOWN", "IDLE"]


def test_an_old_clean_order_does_not_free_a_device_that_was_used_again() -> None:
    node = make.backend(1)
    make.hello(node, 1)
    (old,) = make.orders(node)
    Device.objects.filter(backend=node).update(status=DeviceStatus.CLEANING, cleaner=uuid4())
    workers.take_result(node, old.pk, ok=True)
    assert make.statuses(node) == ["CLEANING"]


def test_adr_14_a_lost_node_fails_its_jobs_and_its_devices_wait_for_its_return() -> None:
    lost, other = make.ready_backend(1), make.ready_backend(1)
    job = make.job(num_devices=2)
    tick(job.group_id)
    make.answer(lost), make.answer(other)
    _age()
    Agent.objects.filter(backend=lost).update(last_seen=db_now() - timedelta(seconds=91))
    sweep()
    job.refresh_from_db()
    lost.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.NODE_LOST)
    assert (lost.status, lost.why) == (BackendStatus.SHUTDOWN, Why.NODE_LOST)
    assert (make.statuses(lost), make.statuses(other)) == (["SHUTDOWN"], ["CLEANING"])
    assert not Allocation.objects.filter(ended_at=None).exists()
    assert Alert.objects.get(category="NODE_LOST").cleared_at is None

    make.hello(lost, 1, boot=2)
    make.answer(lost), make.answer(other)
    lost.refresh_from_db()
    assert (lost.status, make.statuses(lost), make.statuses(other)) == (BackendStatus.ACTIVE, ["IDLE"], ["IDLE"])
    assert Alert.objects.get(category="NODE_LOST").cleared_at is not None


@pytest.mark.parametrize("gap", ["nobody serves", "serving again only now"])
def test_adr_3_nobody_is_lost_while_no_manager_listened(gap: str) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    _age(agent=timedelta(minutes=10), client=timedelta(minutes=10))
    ManagerPresence.objects.update(seen=db_now() - timedelta(minutes=5))
    if gap == "serving again only now":
        show_presence()
    sweep()
    job.refresh_from_db()
    assert (job.status, make.statuses(node)) == (JobStatus.RUNNING, ["PROCESSING"])


def test_adr_4_a_lost_client_fails_its_job_after_the_grace() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    _age(client=timedelta(seconds=59))
    sweep()
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    _age(client=timedelta(seconds=61))
    sweep()
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.CLIENT_LOST)
    make.answer(node)
    assert make.statuses(node) == ["IDLE"]


def test_adr_10_a_preparation_that_takes_too_long_fails_the_job() -> None:
    node = make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    _age(submitted=timedelta(seconds=121))
    sweep()
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.PREPARATION_TIMED_OUT)
    assert make.statuses(node) == ["CLEANING"]


def test_adr_13_devices_that_nobody_cleans_are_quarantined() -> None:
    node = make.ready_backend(1)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    _age(cleaning=timedelta(seconds=301))
    sweep()
    assert (make.statuses(node), _whys(node)) == (["SHUTDOWN"], ["NOT_CLEANED"])
    make.hello(node, 1, boot=2)
    make.answer(node)
    assert make.statuses(node) == ["IDLE"]


def test_adr_20_a_node_seen_off_after_its_agent_last_spoke_is_powered_off() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    Bmc.objects.filter(backend=node).update(status=PowerStatus.OFF, checked_at=db_now() - timedelta(seconds=1))
    sweep()
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    Bmc.objects.filter(backend=node).update(checked_at=Agent.objects.get(pk=node.pk).last_seen)
    workers.power_down_backend(node.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    Bmc.objects.filter(backend=node).update(checked_at=db_now() + timedelta(seconds=1))
    sweep()
    job.refresh_from_db()
    node.refresh_from_db()
    assert (job.status, job.cause, node.why) == (JobStatus.FAILED, Cause.POWERED_OFF, Why.POWERED_OFF)
    assert (make.statuses(node), _whys(node)) == (["SHUTDOWN"], ["POWERED_OFF"])


def test_a_failed_health_check_takes_the_node_out_and_a_good_one_back_in() -> None:
    node = make.ready_backend(1)
    workers.note_health(node, ok=False, error="ECC")
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.SHUTDOWN, Why.UNHEALTHY)
    assert Alert.objects.get(category="GPU_ERROR").cleared_at is None
    workers.note_health(node, ok=True)
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.ACTIVE, Why.NONE)
    assert Alert.objects.get(category="GPU_ERROR").cleared_at is not None


def test_a_good_health_check_wakes_no_node_that_an_operator_shut_down() -> None:
    node = make.ready_backend(1)
    set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    workers.note_health(node, ok=True)
    workers.note_health(node, ok=False, error="ECC")
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.SHUTDOWN, Why.OPERATOR)


def test_readings_store_the_latest_values_and_older_ones_change_nothing() -> None:
    node = make.ready_backend(2)
    values = (1000, 60.0, 70.0, 99.0, 50.0, 300.0)
    agent = Agent.objects.get(backend=node)
    assert agent.session is not None
    zeros = (0, 0.0, 0.0, 0.0, 0.0, 0.0)
    take_readings([Reading(node.pk, agent.session, agent.sequence + 2, 12.5, 100, 200, ((1, values),))])
    take_readings([Reading(node.pk, agent.session, agent.sequence + 1, 99.0, 1, 1, ((1, zeros),))])
    take_readings([Reading(node.pk, uuid4(), agent.sequence + 3, 99.0, 1, 1, ((1, zeros),))])
    (stored,) = Telemetry.objects.all()
    assert (stored.device.index, stored.used_memory, stored.temperature, stored.power) == (1, 1000, 60.0, 300.0)
    assert Agent.objects.get(backend=node).cpu == 12.5
