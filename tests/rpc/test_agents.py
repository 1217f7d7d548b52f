"""Agents over the wire: hello heals both sides, one agent speaks for a node, what comes twice counts once."""

from collections.abc import Callable
from uuid import uuid4

import grpc
import pytest

from backends.choices import DEFAULT_GROUP, BackendStatus, OrderState, Why
from backends.models import Agent as AgentRow
from backends.models import Backend, Order, Telemetry
from backends.services.nodes import create_enrolment_key
from moreh_cloud.alerts.models import Alert
from moreh_cloud.events.models import Event
from protocol.v1.agents_pb2 import AgentMessage, DeviceInfo, DeviceTelemetry, EnrolRequest, Health, Report, Result
from protocol.v1.agents_pb2_grpc import AgentsStub
from scheduler.choices import JobStatus, WorkerState
from scheduler.models import Job, Worker
from scheduler.rpc import stream
from scheduler.services.jobs import finish_job
from scheduler.services.sdas import check_backend
from scheduler.tick import tick
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]


def _ready(manager: Server, connect: Connect, devices: int = 1) -> tuple[Backend, str, Agent]:
    node, key = make.keyed_backend(devices)
    agent = Agent(connect(manager), key)
    agent.hello(devices)
    agent.carry_out("clean")
    make.wait_for(lambda: set(make.statuses(node)) == {"IDLE"})
    return node, key, agent


def _next_stream(agent: Agent, key: str, channel: grpc.Channel, *, restarted: bool = False) -> Agent:
    """The same installation on another stream, in the same start or after a restart."""
    if restarted:
        return Agent(channel, key, boot=agent.boot + 1)
    return Agent(channel, key, boot=agent.boot, sequence=agent.sequence)


def _refused(agent: Agent) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        agent.hear_the_end()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_hello_after_a_restart_heals_both_sides(manager: Server, connect: Connect) -> None:
    node, key, agent = _ready(manager, connect, 3)
    lost, kept = make.job(), make.job()
    tick(DEFAULT_GROUP)
    agent.carry_out("start", address="10.0.0.1:30000")
    agent.carry_out("start", address="10.0.0.1:30001")
    make.wait_for(lambda: Job.objects.filter(status=JobStatus.RUNNING).count() == 2)
    agent.drop()
    worker = Worker.objects.get(job=kept)
    again = _next_stream(agent, key, connect(manager), restarted=True)
    welcome = again.hello(3, running={worker.pk: worker.devices, 999: [2]})
    assert [(expected.worker_id, expected.job_id) for expected in welcome.workers] == [(worker.pk, kept.pk)]
    stops = {again.carry_out("stop").stop.worker_id for _ in range(2)}
    assert stops == {999, Worker.objects.get(job=lost).pk}
    lost.refresh_from_db()
    assert (lost.status, lost.cause) == (JobStatus.FAILED, "WORKER_ERROR")
    again.carry_out("clean")
    make.wait_for(lambda: sorted(make.statuses(node)) == ["IDLE", "IDLE", "PROCESSING"])


def test_a_start_that_was_not_answered_is_sent_again_on_the_next_stream(manager: Server, connect: Connect) -> None:
    _node, key, agent = _ready(manager, connect)
    job = make.job()
    tick(DEFAULT_GROUP)
    order = agent.order("start")
    agent.drop()
    again = _next_stream(agent, key, connect(manager))
    welcome = again.hello(1, running={order.start.worker_id: [0]})
    assert [expected.worker_id for expected in welcome.workers] == [order.start.worker_id]
    assert again.order("start").order_id == order.order_id
    for _ in range(3):
        again.result(order.order_id, address="10.0.0.1:30000")
    make.wait_for(lambda: Job.objects.get().status == JobStatus.RUNNING)
    assert Event.objects.filter(action="START_JOB", subject=f"job/{job.pk}").count() == 1


def test_an_order_without_an_ack_is_sent_again_and_with_one_is_not(
    manager: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REDELIVER", 0.1)
    node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    first, second = agent.order("clean"), agent.order("clean")
    assert first == second
    agent.tell(ack={"order_id": first.order_id})
    make.wait_for(lambda: Order.objects.get().state == OrderState.ACKED)
    while not agent.hears_nothing(3.0):
        pass
    agent.result(first.order_id)
    make.wait_for(lambda: make.statuses(node) == ["IDLE"])


def test_a_start_that_nobody_wants_any_more_is_never_delivered(manager: Server, connect: Connect) -> None:
    _node, key, agent = _ready(manager, connect)
    agent.drop()
    job = make.job()
    tick(DEFAULT_GROUP)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    again = _next_stream(agent, key, connect(manager))
    assert list(again.hello(1).workers) == []
    again.carry_out("stop")
    again.carry_out("clean")


def test_a_second_installation_is_refused_while_the_first_is_alive(manager: Server, connect: Connect) -> None:
    node, key, agent = _ready(manager, connect)
    stranger = Agent(connect(manager), key, instance="two", boot=9)
    stranger.say_hello(1)
    assert _refused(stranger) is grpc.StatusCode.PERMISSION_DENIED
    assert list(Alert.objects.values_list("category", "subject")) == [("NODE_CLAIMED_TWICE", f"backend/{node.pk}")]
    agent.report(cpu=42.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 42.0)


def test_a_newer_stream_takes_over_from_the_old_one(manager: Server, second_manager: Server, connect: Connect) -> None:
    for place in (manager, second_manager):
        _node, key, agent = _ready(manager, connect)
        again = _next_stream(agent, key, connect(place))
        again.hello(1)
        again.report(cpu=7.0)
        make.wait_for(lambda: AgentRow.objects.filter(cpu=7.0).exists())
        agent.report(cpu=99.0)
        assert _refused(agent) is grpc.StatusCode.ABORTED
        assert not AgentRow.objects.filter(cpu=99.0).exists()
        AgentRow.objects.update(cpu=0)


def test_an_earlier_start_of_the_agent_is_refused(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    Agent(connect(manager), key, boot=5).hello(1)
    for stale in (Agent(connect(manager), key, boot=4), Agent(connect(manager), key, boot=5)):
        stale.say_hello(1)
        assert _refused(stale) is grpc.StatusCode.ABORTED


def test_repeated_late_and_yesterdays_reports_change_nothing(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect)

    def report(boot: int, sequence: int, cpu: float) -> None:
        agent.say(AgentMessage(boot=boot, sequence=sequence, report=Report(cpu_percent=cpu)))

    report(1, 100, 50.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 50.0)
    for boot, sequence in ((1, 100), (1, 99), (0, 200), (2, 200)):
        report(boot, sequence, 1.0)
    assert agent.hears_nothing(within=1.0)  # longer than two flushes
    assert AgentRow.objects.get().cpu == 50.0
    report(1, 101, 51.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 51.0)
    assert AgentRow.objects.get().sequence == 101


def test_a_report_stores_the_latest_values_of_each_device(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect, 2)
    hot = DeviceTelemetry(index=1, temperature_celsius=64.8, used_memory_mib=900, power_watts=300.0)
    broken = DeviceTelemetry(index=0, temperature_celsius=float("nan"), utilization_percent=float("inf"))
    agent.report(hot, broken, DeviceTelemetry(index=31, power_watts=1))
    make.wait_for(lambda: Telemetry.objects.count() == 2)
    values = Telemetry.objects.order_by("device__index").values_list("temperature", "used_memory", "power")
    assert list(values) == [(0.0, 0, 0.0), (64.8, 900, 300.0)]


def test_a_failed_health_check_takes_the_node_out_until_a_good_one(manager: Server, connect: Connect) -> None:
    node, _key, agent = _ready(manager, connect)

    def is_now(status: str, why: str) -> bool:
        return Backend.objects.filter(pk=node.pk, status=status, why=why).exists()

    agent.tell(report=Report(health=Health(ok=False, text="ECC")))
    make.wait_for(lambda: is_now(BackendStatus.SHUTDOWN, Why.UNHEALTHY))
    agent.tell(report=Report(health=Health(ok=True)))
    make.wait_for(lambda: is_now(BackendStatus.ACTIVE, Why.NONE))


def test_a_check_order_tells_the_health(manager: Server, connect: Connect) -> None:
    node, _key, agent = _ready(manager, connect)
    check_backend(node)
    order = agent.order("check")
    agent.tell(result=Result(order_id=order.order_id, ok=True, health=Health(ok=False, text="ECC")))
    make.wait_for(lambda: Backend.objects.filter(pk=node.pk, why=Why.UNHEALTHY).exists())


def test_a_worker_that_cannot_start_fails_its_job(manager: Server, connect: Connect) -> None:
    node, _key, agent = _ready(manager, connect)
    job = make.job()
    tick(DEFAULT_GROUP)
    agent.carry_out("start", ok=False, error="no such version")
    agent.carry_out("stop")
    agent.carry_out("clean")
    make.wait_for(lambda: make.statuses(node) == ["IDLE"])
    job.refresh_from_db()
    assert (job.status, job.detail) == (JobStatus.FAILED, f"{node.name}: no such version")
    assert Worker.objects.get().state == WorkerState.GONE


def test_the_end_of_a_stream_is_noted_and_frees_the_place_for_another_installation(
    manager: Server, connect: Connect
) -> None:
    _node, key, agent = _ready(manager, connect)
    agent.drop()
    make.wait_for(lambda: AgentRow.objects.get().session is None)
    Agent(connect(manager), key, instance="two").hello(1)


WRONG = {
    "no installation": {"instance": ""},
    "a boot of 0": {"boot": 0},
}


@pytest.mark.parametrize("who", WRONG.values(), ids=WRONG.keys())
def test_a_hello_that_cannot_be_is_refused(who: dict[str, object], manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key, **who)  # type: ignore[arg-type]
    agent.say_hello(1)
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT
    assert AgentRow.objects.get().boot == 0


def test_too_many_devices_are_refused(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.say_hello(33)
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT


def test_an_order_id_that_is_none_ends_the_stream(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect)
    agent.result("not a uuid")
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT


def test_an_enrolment_key_makes_one_node_and_the_same_installation_may_ask_again(
    manager: Server, connect: Connect
) -> None:
    enrol = AgentsStub(connect(manager)).Enrol
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    request = EnrolRequest(
        enrolment_key=key, name="new-node", addresses=["10.1.2.3"], instance_id="one", devices=[DeviceInfo(index=0)]
    )
    first, second = enrol(request, timeout=10), enrol(request, timeout=10)
    assert first.backend_id == second.backend_id == Backend.objects.get().pk
    assert first.node_key != second.node_key
    old, new = (Agent(connect(manager), answer.node_key) for answer in (first, second))
    old.say_hello(1)
    assert _refused(old) is grpc.StatusCode.UNAUTHENTICATED
    assert new.hello(1).backend_name == "new-node"
    for wrong in ({"instance_id": "two"}, {"enrolment_key": str(uuid4())}):
        other = EnrolRequest(enrolment_key=key, name="other", addresses=["10.1.2.4"], instance_id="one")
        other.MergeFrom(EnrolRequest(**wrong))  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as caught:
            enrol(other, timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Backend.objects.count() == 1


BAD_ENROLMENTS = {
    "no installation": EnrolRequest(name="node", addresses=["10.1.2.3"]),
    "a NUL in the name": EnrolRequest(name="no\0de", addresses=["10.1.2.3"], instance_id="one"),
    "a name that is too long": EnrolRequest(name="n" * 129, addresses=["10.1.2.3"], instance_id="one"),
    "an address that is none": EnrolRequest(name="node", addresses=["here"], instance_id="one"),
}


@pytest.mark.parametrize("request_", BAD_ENROLMENTS.values(), ids=BAD_ENROLMENTS.keys())
def test_an_enrolment_that_cannot_be_is_refused_and_uses_up_nothing(
    request_: EnrolRequest, manager: Server, connect: Connect
) -> None:
    enrol = AgentsStub(connect(manager)).Enrol
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    asked = EnrolRequest(enrolment_key=key)
    asked.MergeFrom(request_)
    with pytest.raises(grpc.RpcError) as caught:
        enrol(asked, timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert Backend.objects.count() == 0
    assert enrol(EnrolRequest(enrolment_key=key, name="node", instance_id="one"), timeout=10).node_key
