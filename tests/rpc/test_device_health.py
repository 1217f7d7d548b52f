"""Facts about devices over the wire: stored when they change, at a limited rate, and ended when a report lacks them."""

from collections.abc import Callable

import grpc
import pytest

from backends.choices import Verdict
from backends.models import Device, Finding
from core.pace import Pace
from protocol.v1.agents_pb2 import DeviceHealth, HealthFact, Report, WorkerLost
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.rpc import device_health
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]
XID_48 = HealthFact(code=HealthFact.XID, number=48, count=1)
XID_79 = HealthFact(code=HealthFact.XID, number=79, count=1, first_ms=1_700_000_000_000, last_ms=1_700_000_000_000)
HOT = HealthFact(code=HealthFact.THERMAL_SLOWDOWN, text="hbm")


def reported(*facts: HealthFact, index: int = 0) -> Report:
    return Report(device_health=[DeviceHealth(index=index, facts=facts)] if facts else [])


def verdicts() -> list[str]:
    return list(Device.objects.order_by("index").values_list("verdict", flat=True))


@pytest.fixture
def agent(manager: Server, connect: Connect) -> Agent:
    node, key = make.keyed_backend(2)
    found = Agent(connect(manager), key)
    found.hello(2)
    found.carry_out("clean")
    make.wait_for(lambda: set(make.statuses(node)) == {"IDLE"})
    return found


def test_facts_are_stored_and_end_and_the_verdict_stays(agent: Agent) -> None:
    agent.send_message(report=reported(XID_79, HOT, index=1))
    make.wait_for(lambda: verdicts() == [Verdict.HEALTHY, Verdict.FAILED])
    found = {finding.code: finding for finding in Finding.objects.all()}
    assert (found["XID"].number, found["XID"].count, found["XID"].first_at.year) == (79, 1, 2023)
    assert found["THERMAL_SLOWDOWN"].text == "hbm"
    agent.send_message(report=reported())
    make.wait_for(lambda: not Finding.objects.filter(ended_at=None).exists())
    assert verdicts() == [Verdict.HEALTHY, Verdict.FAILED]


def test_findings_that_ended_while_no_agent_spoke_are_ended_by_the_next_one(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    agent.send_message(report=reported(HOT))
    make.wait_for(lambda: verdicts() == [Verdict.SUSPECT])
    agent.drop()
    again = Agent(connect(manager), key, boot=2)
    again.hello(1)
    again.send_message(report=reported())
    make.wait_for(lambda: verdicts() == [Verdict.HEALTHY])


def test_facts_that_flap_are_stored_a_few_times_and_the_last_state_wins(
    manager: Server, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = manager.manager.agents._device_health._pace
    monkeypatch.setattr(pace, "_every", 1.0)
    monkeypatch.setattr(pace, "_ahead", device_health.AT_ONCE - 1.0)
    for n in range(400):
        agent.send_message(report=reported(*[HOT] * (n % 2)))
    agent.send_message(report=reported(HOT, XID_79))
    make.wait_for(lambda: verdicts()[0] == Verdict.FAILED)
    assert 2 <= Finding.objects.count() <= 5


def test_a_failure_does_not_wait_for_its_turn_and_is_stored_before_the_end_of_a_worker(
    manager: Server, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make.job(num_devices=1)
    tick(job.group_id)
    agent.carry_out("start")
    make.wait_for(lambda: Job.objects.get().status == JobStatus.RUNNING)
    worker = job.workers.get()
    monkeypatch.setattr(manager.manager.agents._device_health, "_pace", Pace(1000.0, 0))
    agent.send_message(report=reported(HOT, XID_79, index=worker.devices[0]))
    agent.send_message(worker_lost=WorkerLost(worker_id=worker.pk))
    make.wait_for(lambda: Job.objects.get().status == JobStatus.FAILED)
    assert verdicts()[worker.devices[0]] == Verdict.FAILED
    ended = Job.objects.get().ended_at
    failed = Finding.objects.get(number=79).device.verdict_at
    assert ended
    assert failed
    assert failed < ended
    agent.send_message(report=reported(XID_48, index=worker.devices[0]))
    make.wait_for(lambda: Finding.objects.filter(number=48).exists())
    agent.send_message(report=reported(XID_48, XID_79, index=worker.devices[0]))
    agent.send_message(report=reported(XID_48, index=1 - worker.devices[0]))
    make.wait_for(lambda: verdicts() == [Verdict.FAILED] * 2)
    holding = Finding.objects.filter(ended_at=None).values_list("device__index", "number")
    assert list(holding) == [(1 - worker.devices[0], 48)]


STRANGE = {
    "a device that no node can have": DeviceHealth(index=40, facts=[XID_79]),
    "a device that this node lacks": DeviceHealth(index=9, facts=[XID_79]),
    "a code of a later version": DeviceHealth(index=0, facts=[HealthFact(code=999)]),  # type: ignore[arg-type]
    "no code": DeviceHealth(index=0, facts=[HealthFact(number=79)]),
    "no facts": DeviceHealth(index=0),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_strange_is_left_out(case: str) -> None:
    report = Report(device_health=[STRANGE[case]])
    parsed = device_health.parse_facts(report)
    assert parsed == () or case == "a device that this node lacks"


def test_numbers_and_times_are_bounded(agent: Agent) -> None:
    huge = HealthFact(code=HealthFact.ECC_UNCORRECTABLE, count=2**64 - 1, first_ms=2**62, last_ms=-5, text="t" * 5000)
    agent.send_message(report=reported(huge))
    make.wait_for(lambda: verdicts()[0] == Verdict.FAILED)
    finding = Finding.objects.get()
    assert (finding.count, len(finding.text), finding.first_at) == (2**63 - 1, 512, finding.last_at)


def test_a_report_without_facts_has_not_grown() -> None:
    assert len(Report(worker_ids=[1]).SerializeToString()) == len(reported_before())


def reported_before() -> bytes:
    """A Report as agents sent it before devices had facts."""
    return b"\x32\x01\x01"
