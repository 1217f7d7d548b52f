"""Agents over the wire: hello heals both sides, one agent speaks for a node, what comes twice counts once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from alerts.models import Alert
from backends.choices import DEFAULT_GROUP, BackendStatus, OrderState, ShutdownReason
from backends.models import Agent as AgentRow
from backends.models import Backend, Order, Telemetry
from events.models import Event
from protocol.v1.agents_pb2 import AgentMessage, DeviceTelemetry, Health, Report, Result
from scheduler.choices import JobStatus, WorkerState
from scheduler.cycle.tick import tick
from scheduler.models import Job, Worker
from scheduler.rpc import stream
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import check_backend
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


@contextmanager
def _nothing_is_written(manager: Server) -> Iterator[None]:
    """Keep a server from writing what agents say in bulk."""

    async def release() -> None:
        manager.manager.agents._write_lock.release()

    manager.run(manager.manager.agents._write_lock.acquire())
    try:
        yield
    finally:
        manager.run(release())


def _refused(agent: Agent) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        agent.receive_to_end()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_hello_after_a_restart_heals_both_sides(manager: Server, connect: Connect) -> None:
    node, key, agent = _ready(manager, connect, 3)
    lost, left = make.job(), make.job()
    tick(DEFAULT_GROUP)
    agent.carry_out("start", address="10.0.0.1:30000")
    agent.carry_out("start", address="10.0.0.1:30001")
    make.wait_for(lambda: Job.objects.filter(status=JobStatus.RUNNING).count() == 2)
    agent.drop()
    worker = Worker.objects.get(job=left)
    again = _next_stream(agent, key, connect(manager), restarted=True)
    welcome = again.hello(3, running={worker.pk: worker.devices, 999: [2]})
    assert [(expected.worker_id, expected.job_id) for expected in welcome.workers] == [(worker.pk, left.pk)]
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
    agent.send_message(ack={"order_id": first.order_id})
    make.wait_for(lambda: Order.objects.get().state == OrderState.ACKED)
    while not agent.receives_nothing(3.0):
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
    stranger.send_hello(1)
    assert _refused(stranger) is grpc.StatusCode.PERMISSION_DENIED
    assert [(alert.category, str(alert.subject)) for alert in Alert.objects.all()] == [
        ("NODE_CLAIMED_TWICE", f"backend/{node.pk}")
    ]
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
        stale.send_hello(1)
        assert _refused(stale) is grpc.StatusCode.ABORTED


def test_repeated_late_and_yesterdays_reports_change_nothing(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect)

    def report(boot: int, sequence: int, cpu: float) -> None:
        agent.send(AgentMessage(boot=boot, sequence=sequence, report=Report(cpu_percent=cpu)))

    report(1, 100, 50.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 50.0)
    for boot, sequence in ((1, 100), (1, 99), (0, 200), (2, 200)):
        report(boot, sequence, 1.0)
    assert agent.receives_nothing(within=1.0)  # longer than two flushes
    assert AgentRow.objects.get().cpu == 50.0
    report(1, 101, 51.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 51.0)
    assert AgentRow.objects.get().sequence == 101


def test_a_report_stores_the_latest_values_of_each_device(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect, 2)
    hot = DeviceTelemetry(index=1, temperature_celsius=64.8, used_memory_mib=900, power_watts=300.0)
    broken = DeviceTelemetry(
        index=0, temperature_celsius=float("nan"), memory_temperature_celsius=200.5, utilization_percent=float("inf"),
        memory_utilization_percent=101, used_memory_mib=2**31, power_watts=-3,
    )  # fmt: skip
    agent.report(hot, broken, DeviceTelemetry(index=31, power_watts=1))
    make.wait_for(lambda: Telemetry.objects.count() == 2)
    rows = Telemetry.objects.order_by("device__index")
    values = rows.values_list("temperature", "used_memory", "power")
    assert list(rows.values_list("memory_temperature", "utilization", "memory_utilization")) == [(None,) * 3] * 2
    assert list(values) == [(None, None, None), (64.8, 900, 300.0)]


def test_a_host_that_was_not_measured_is_unknown_and_an_idle_one_has_0(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect)

    def host() -> tuple[object, ...]:
        return AgentRow.objects.values_list("cpu", "used_memory", "total_memory").get()

    agent.send_message(report=Report(cpu_percent=0, used_memory_mib=0, total_memory_mib=9_000))
    make.wait_for(lambda: host() == (0.0, 0, 9_000))
    agent.send_message(report=Report(total_memory_mib=9_000))
    make.wait_for(lambda: host() == (None, None, 9_000))


@pytest.mark.parametrize("index", [32, 2**31, 2**32 - 1])
def test_a_report_of_a_device_that_no_node_has_keeps_no_value_from_the_books(
    index: int, manager: Server, connect: Connect
) -> None:
    _node, _key, agent = _ready(manager, connect, 1)
    agent.report(DeviceTelemetry(index=index, power_watts=1), DeviceTelemetry(index=0, power_watts=300))
    make.wait_for(Telemetry.objects.exists)
    assert list(Telemetry.objects.values_list("device__index", "power")) == [(0, 300.0)]


def test_a_failed_health_check_takes_the_node_out_until_a_good_one(manager: Server, connect: Connect) -> None:
    node, _key, agent = _ready(manager, connect)

    def is_now(status: str, why: str) -> bool:
        return Backend.objects.filter(pk=node.pk, status=status, why=why).exists()

    agent.send_message(report=Report(health=Health(ok=False, text="ECC")))
    make.wait_for(lambda: is_now(BackendStatus.SHUTDOWN, ShutdownReason.UNHEALTHY))
    agent.send_message(report=Report(health=Health(ok=True)))
    make.wait_for(lambda: is_now(BackendStatus.ACTIVE, ShutdownReason.NONE))


def test_a_check_order_returns_the_health(manager: Server, connect: Connect) -> None:
    node, _key, agent = _ready(manager, connect)
    check_backend(node)
    order = agent.order("check")
    agent.send_message(result=Result(order_id=order.order_id, ok=True, health=Health(ok=False, text="ECC")))
    make.wait_for(lambda: Backend.objects.filter(pk=node.pk, why=ShutdownReason.UNHEALTHY).exists())


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
    agent.send_hello(1)
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT
    assert AgentRow.objects.get().boot == 0


def test_too_many_devices_are_refused(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.send_hello(33)
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT


def test_an_order_id_that_is_none_ends_the_stream(manager: Server, connect: Connect) -> None:
    _node, _key, agent = _ready(manager, connect)
    agent.result("not a uuid")
    assert _refused(agent) is grpc.StatusCode.INVALID_ARGUMENT
