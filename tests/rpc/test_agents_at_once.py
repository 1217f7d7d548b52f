"""Agents that come back together, and what is written late."""

import time
from uuid import uuid4

import grpc

from backends.choices import BackendStatus, OrderState, ShutdownReason
from backends.models import Agent as AgentRow
from backends.models import Backend, Device, Order
from core.clock import db_now
from events.models import Event
from protocol.v1.agents_pb2 import Health, Report
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server
from tests.rpc.test_agents import Connect, _next_stream, _nothing_is_written, _ready, _refused


def test_agents_that_come_back_together_are_written_together_and_the_odd_ones_among_them_alone(
    manager: Server, connect: Connect
) -> None:
    keyed = [make.keyed_backend(1, device_model="MI250") for _ in range(12)]
    Device.objects.update(total_memory=65_536)
    twice, strange, unknown, *plain = [Agent(connect(manager), key) for _node, key in keyed]
    unknown.sequence = -1
    AgentRow.objects.filter(pk=keyed[0][0].pk).update(session=uuid4(), instance_id="two", last_seen=db_now())
    with _nothing_is_written(manager):
        for agent in (twice, strange, unknown, *plain):
            agent.send_hello(1, {999: [0]} if agent is strange else None)
        time.sleep(0.5)  # until all have said it, or some of them: then those are written together
    assert _refused(twice) is grpc.StatusCode.PERMISSION_DENIED
    assert _refused(unknown) is grpc.StatusCode.INVALID_ARGUMENT
    assert strange.receive().HasField("welcome")
    for agent in plain:
        assert agent.receive().HasField("welcome")
        agent.carry_out("clean")
        agent.report(cpu=42.0)
    assert strange.carry_out("stop").stop.worker_id == 999
    strange.carry_out("clean")
    make.wait_for(lambda: AgentRow.objects.filter(cpu=42.0).count() == len(plain))
    make.wait_for(lambda: Device.objects.filter(status="IDLE").count() == len(plain) + 1)
    hellos = Event.objects.filter(action="AGENT_HELLO")
    assert hellos.count() == len(plain) + 1
    assert hellos.values("event_time").distinct().count() <= 3
    assert set(Order.objects.values_list("state", flat=True)) == {OrderState.DONE}


def test_adr_27_a_hello_that_is_written_late_does_not_speak_for_an_agent_that_came_back_elsewhere(
    manager: Server, second_manager: Server, connect: Connect
) -> None:
    _node, key, agent = _ready(manager, connect)
    late = _next_stream(agent, key, connect(manager))
    with _nothing_is_written(manager):
        late.send_hello(1)
        make.wait_for(lambda: bool(manager.manager.agents._arrivals._together._writer))
        again = _next_stream(late, key, connect(second_manager))
        again.hello(1)
    assert _refused(late) is grpc.StatusCode.ABORTED
    again.report(cpu=42.0)
    make.wait_for(lambda: AgentRow.objects.get().cpu == 42.0)
    assert Event.objects.filter(action="AGENT_HELLO").count() == 2


def test_adr_29_a_health_that_was_not_stored_is_reported_again(manager: Server, connect: Connect) -> None:
    node, key, agent = _ready(manager, connect)
    sick = Report(health=Health(ok=False, text="ECC"))
    with _nothing_is_written(manager):
        agent.send_message(report=sick)
        make.wait_for(lambda: bool(manager.manager.agents._health))
        agent.drop()
        make.wait_for(lambda: not manager.manager.agents._health)
    assert Backend.objects.get(pk=node.pk).status == BackendStatus.ACTIVE
    again = _next_stream(agent, key, connect(manager))
    again.hello(1)
    again.send_message(report=sick)
    make.wait_for(lambda: Backend.objects.filter(pk=node.pk, why=ShutdownReason.UNHEALTHY).exists())
