"""Agents: hello heals both sides, and answers count once."""

from datetime import timedelta
from uuid import uuid4

import pytest

from alerts.models import Alert
from backends.choices import BackendStatus, DeviceStatus, ShutdownReason
from backends.errors import DuplicateAgent, StaleAgent
from backends.models import Agent, Backend, Device, ManagerPresence, Order, Telemetry
from backends.services import agents
from backends.services.nodes import set_backend_status
from backends.services.telemetry import TelemetryReport, store_telemetry
from core.clock import db_now
from scheduler.choices import Cause, JobStatus, WorkerState
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Worker
from scheduler.services import workers
from scheduler.services.jobs import finish_job
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
    from scheduler.services.nodes import set_device_status

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


def test_an_unknown_worker_gets_one_stop_order_and_is_gone_when_it_succeeds() -> None:
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


def test_an_earlier_start_of_the_same_agent_is_refused() -> None:
    node = make.backend(1)
    make.hello(node, 1, boot=5)
    with pytest.raises(StaleAgent):
        make.hello(node, 1, boot=4)


def test_a_second_agent_is_refused_while_the_first_is_alive_and_taken_when_it_is_silent() -> None:
    node = make.backend(1)
    make.hello(node, 1, instance="one")
    with pytest.raises(DuplicateAgent):
        make.hello(node, 1, instance="two")
    agents.alert_duplicate_agent(node, ip_address="10.9.9.9")
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


def test_an_agent_that_cannot_read_its_devices_lets_none_vanish() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    running = {worker.pk: worker.devices for worker in Worker.objects.filter(job=job)}
    make.hello(node, 0, boot=2, running=running)
    job.refresh_from_db()
    assert (job.status, make.statuses(node)) == (JobStatus.RUNNING, ["PROCESSING", "IDLE"])
    assert not Alert.objects.exists()


def test_a_model_or_memory_that_could_not_be_read_leaves_the_known_one() -> None:
    node = make.ready_backend(1)
    Device.objects.filter(backend=node).update(model="MI250", total_memory=65_536)
    assert agents.store_reported_devices(node, [agents.ReportedDevice(0, "", 0)]) == []
    device = Device.objects.get(backend=node)
    assert (device.model, device.total_memory, device.former_models.count()) == ("MI250", 65_536, 0)


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
    assert "not clean" in Alert.objects.get().text


def test_a_device_that_cannot_be_cleaned_does_not_keep_its_neighbours() -> None:
    node = make.ready_backend(2)
    finish_job(make.running_job(node, 2), exit_code=0, actor=make.ACTOR)
    make.answer(node, "STOP")
    since = list(node.devices.values_list("since", flat=True))
    (both,) = make.orders(node)
    workers.take_result(node, both.pk, ok=False, error="a process on device 1 cannot be ended")
    first, second = make.orders(node)
    assert (both.devices, first.devices, second.devices) == ([0, 1], [0], [1])
    assert (make.statuses(node), list(node.devices.values_list("since", flat=True))) == (["CLEANING"] * 2, since)
    workers.take_result(node, first.pk, ok=True)
    workers.take_result(node, second.pk, ok=False, error="a process on device 1 cannot be ended")
    assert (make.statuses(node), _whys(node)) == (["IDLE", "SHUTDOWN"], ["", "NOT_CLEANED"])
    assert [row.clean_at is None for row in Allocation.objects.all()] == [False, False]


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


def test_a_failed_health_check_takes_the_node_out_and_a_good_one_back_in() -> None:
    node = make.ready_backend(1)
    workers.note_health(node, ok=False, error="ECC")
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.SHUTDOWN, ShutdownReason.UNHEALTHY)
    assert Alert.objects.get(category="GPU_ERROR").cleared_at is None
    workers.note_health(node, ok=True)
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.ACTIVE, ShutdownReason.NONE)
    assert Alert.objects.get(category="GPU_ERROR").cleared_at is not None


def test_a_good_health_check_wakes_no_node_that_an_operator_shut_down() -> None:
    node = make.ready_backend(1)
    set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    workers.note_health(node, ok=True)
    workers.note_health(node, ok=False, error="ECC")
    node.refresh_from_db()
    assert (node.status, node.why) == (BackendStatus.SHUTDOWN, ShutdownReason.OPERATOR)


def test_readings_store_the_latest_values_and_older_ones_change_nothing() -> None:
    node = make.ready_backend(2)
    values = (1000, 60.0, 70.0, 99.0, 50.0, 300.0)
    agent = Agent.objects.get(backend=node)
    assert agent.session is not None
    zeros = (0, 0.0, 0.0, 0.0, 0.0, 0.0)
    store_telemetry([TelemetryReport(node.pk, agent.session, agent.sequence + 2, 12.5, 100, 200, ((1, values),))])
    store_telemetry([TelemetryReport(node.pk, agent.session, agent.sequence + 1, 99.0, 1, 1, ((1, zeros),))])
    store_telemetry([TelemetryReport(node.pk, uuid4(), agent.sequence + 3, 99.0, 1, 1, ((1, zeros),))])
    (stored,) = Telemetry.objects.all()
    assert (stored.device.index, stored.used_memory, stored.temperature, stored.power) == (1, 1000, 60.0, 300.0)
    assert Agent.objects.get(backend=node).cpu == 12.5
