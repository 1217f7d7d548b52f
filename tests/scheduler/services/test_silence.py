"""Silence counts only while somebody listened: lost nodes and clients, slow preparations, uncleaned devices."""

from datetime import timedelta

import pytest

from alerts.models import Alert
from backends.choices import BackendStatus, DeviceStatus, PowerStatus, ShutdownReason
from backends.models import Agent, Bmc, Device, ManagerPresence
from backends.services.agents import record_presence
from core.clock import db_now
from events.models import Event
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation
from scheduler.services import lost_nodes
from scheduler.services.jobs import finish_job
from scheduler.work import sweep
from tests import make
from tests.scheduler.services.test_agents import _age, _whys

pytestmark = pytest.mark.django_db


def test_a_node_that_has_just_spoken_is_not_given_up() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    _age()
    lost_nodes.lose_backend(node.pk)
    job.refresh_from_db()
    assert (job.status, make.statuses(node)) == (JobStatus.RUNNING, ["PROCESSING"])


def test_a_lost_node_raises_an_alert_and_devices_shut_down_before_stay_so() -> None:
    from scheduler.services.nodes import set_device_status

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
    assert (lost.status, lost.why) == (BackendStatus.SHUTDOWN, ShutdownReason.NODE_LOST)
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
        record_presence()
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
    spoke = Agent.objects.get(pk=node.pk).last_seen
    assert spoke
    Bmc.objects.filter(backend=node).update(status=PowerStatus.OFF, checked_at=spoke - timedelta(seconds=1))
    sweep()
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    Bmc.objects.filter(backend=node).update(checked_at=spoke)
    lost_nodes.power_down_backend(node.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    Bmc.objects.filter(backend=node).update(checked_at=db_now() + timedelta(seconds=1))
    sweep()
    job.refresh_from_db()
    node.refresh_from_db()
    assert (job.status, job.cause, node.why) == (JobStatus.FAILED, Cause.POWERED_OFF, ShutdownReason.POWERED_OFF)
    assert (make.statuses(node), _whys(node)) == (["SHUTDOWN"], ["POWERED_OFF"])
