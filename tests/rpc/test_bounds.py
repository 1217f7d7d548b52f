"""What a caller sends is bounded: every text and list, how often a node says hello and changes its health."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from alerts.models import Alert
from backends.choices import BackendStatus, ShutdownReason
from backends.models import Agent as AgentRow
from backends.models import Backend, Order
from events.models import Event
from moreh_cloud.rpc.bounds import BOUNDS, WORKERS, keep_bounds
from protocol import wire
from protocol.v1 import accelerators_pb2, agents_pb2, jobs_pb2
from protocol.v1.agents_pb2 import AgentMessage, DeviceInfo, Health, Hello, Report, RunningWorker
from scheduler.rpc import agents, arrivals
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]
CALLS = {
    f"{service.name}/{method.name}": method
    for file in (accelerators_pb2, agents_pb2, jobs_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def _fields(kind: Descriptor) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Return the way to every field of a message that has a length."""
    for field in kind.fields:
        if field.is_repeated or field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield (field,)
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from ((field, *way) for way in _fields(field.message_type))


def _name(way: tuple[FieldDescriptor, ...]) -> str:
    return ".".join(way[-1].full_name.split(".")[-2:])


WAYS = {_name(way): (call, way) for call, method in CALLS.items() for way in _fields(method.input_type)}


def test_every_text_and_list_that_a_caller_sends_has_a_bound() -> None:
    assert WAYS.keys() == BOUNDS.keys()


def _message(call: str, way: tuple[FieldDescriptor, ...], length: int, each: int = 1) -> tuple[Message, Message]:
    """Make a message whose field at the end of a way is so long; return it and the part that holds the field."""
    root = piece = GetMessageClass(CALLS[call].input_type)()
    for field in way[:-1]:
        piece = getattr(piece, field.name).add() if field.is_repeated else getattr(piece, field.name)
        piece.SetInParent()
    field, value = way[-1], getattr(piece, way[-1].name)
    if not field.is_repeated:
        setattr(piece, field.name, b"x" * length if field.type == FieldDescriptor.TYPE_BYTES else "x" * length)
    elif field.message_type is None:
        text = field.type == FieldDescriptor.TYPE_STRING
        value.extend("x" * each if text else 1 for _ in range(length))
    elif field.message_type.GetOptions().map_entry:
        value.update({f"{n}": "x" * each for n in range(length)})
    else:
        for _ in range(length):
            value.add()
    return root, piece


def _send(channel: grpc.Channel, call: str, message: Message) -> tuple[grpc.StatusCode, dict[str, str]]:
    answer: Any = GetMessageClass(CALLS[call].output_type)
    kinds = f"/{wire.PACKAGE}.{call}", type(message).SerializeToString, answer.FromString
    ask: Any = (channel.stream_stream if CALLS[call].client_streaming else channel.unary_unary)(*kinds)
    with pytest.raises(grpc.RpcError) as caught:
        any(ask(iter([message]) if CALLS[call].client_streaming else message, timeout=10))
    status, info = rpc_status.from_call(caught.value), ErrorInfo()
    assert status
    status.details[0].Unpack(info)
    return caught.value.code(), dict(info.metadata)


@pytest.mark.django_db(transaction=True)
def test_what_is_too_long_is_refused_by_name_or_cut_before_anybody_reads_it(manager: Server, connect: Connect) -> None:
    channel = connect(manager)
    for name, (call, way) in WAYS.items():
        bound, field = BOUNDS[name], way[-1].name
        too_long = [_message(call, way, bound.most + 1)]
        too_long += [_message(call, way, 1, bound.each + 1)] if bound.each else []
        for message, piece in too_long:
            code, metadata = _send(channel, call, message)
            if bound.cut:
                assert metadata.get("parameter") != field, name  # it was let in, and is nobody
                keep_bounds(message)
                assert getattr(piece, field) == "x" * bound.most, name
            else:
                refused = (grpc.StatusCode.INVALID_ARGUMENT, {"parameter": field, "most": str(bound.most)})
                assert (code, metadata) == refused, name
        longest, piece = _message(call, way, bound.most, bound.each)
        keep_bounds(longest)
        assert len(getattr(piece, field)) == bound.most, name


def _send_hello(agent: Agent, **fields: Any) -> None:
    devices = [DeviceInfo(index=0, model="MI250", memory_mib=65_536)]
    agent.send_message(hello=Hello(instance_id="one", devices=devices, **fields))


def _end(agent: Agent) -> tuple[grpc.StatusCode, str, float]:
    """Return status, reason and seconds to wait with which a stream ends."""
    with pytest.raises(grpc.RpcError) as caught:
        agent.receive_to_end()
    status, info, retry = rpc_status.from_call(caught.value), ErrorInfo(), RetryInfo()
    assert status
    status.details[0].Unpack(info)
    if status.details[1:]:
        status.details[1].Unpack(retry)
    return caught.value.code(), info.reason, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9


def test_a_hello_with_too_many_workers_writes_nothing(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    _send_hello(agent, workers=[RunningWorker(worker_id=n) for n in range(1, 50_001)])
    assert _end(agent)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PARAMETER")
    assert (Order.objects.count(), AgentRow.objects.get().boot) == (0, 0)


def test_hellos_with_ever_other_unknown_workers_leave_no_more_orders_than_a_node_can_have_workers(
    manager: Server, connect: Connect
) -> None:
    node, key = make.keyed_backend(1)
    for boot in range(1, 4):
        agent = Agent(connect(manager), key, boot=boot)
        agent.hello(1, running={boot * 1_000 + n: [0] for n in range(WORKERS)})
    stops = Order.objects.filter(backend=node, verb="STOP").order_by("ref")
    assert list(stops.values_list("ref", flat=True)) == list(range(1_000, 1_000 + WORKERS))


def test_a_node_that_sends_hello_too_often_gets_the_time_to_wait(
    manager: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    _node, key = make.keyed_backend(1)
    for boot in range(1, arrivals.AT_ONCE + 1):
        Agent(connect(manager), key, boot=boot).hello(1)
    again = Agent(connect(manager), key, boot=99)
    again.send_hello(1)
    code, reason, seconds = _end(again)
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TRY_AGAIN")
    assert 0 < seconds <= arrivals.EVERY
    assert Event.objects.filter(action="AGENT_HELLO").count() == arrivals.AT_ONCE
    _node, neighbour = make.keyed_backend(1)
    Agent(connect(manager), neighbour).hello(1)


def test_long_texts_of_an_agent_are_cut_in_events_and_alerts(manager: Server, connect: Connect) -> None:
    node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    _send_hello(agent, agent_version="v" * 900_000, host_name="h" * 900)
    agent.receive()
    assert Event.objects.get(action="AGENT_HELLO").request == {"version": "v" * 64, "boot": 1}
    assert AgentRow.objects.values_list("version", "host_name").get() == ("v" * 64, "h" * 255)
    agent.send_message(report=Report(health=Health(ok=False, text="t" * 900_000)))
    make.wait_for(Alert.objects.exists)
    assert Alert.objects.get().text == f"{node.name}: health check failed: {'t' * 512}"


def test_health_that_flaps_is_noted_a_few_times_and_its_last_state_wins(
    manager: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, key = make.keyed_backend(1)
    changes = manager.manager.agents._changes
    monkeypatch.setattr(changes, "_every", 1.0)
    monkeypatch.setattr(changes, "_ahead", agents.HEALTH_AT_ONCE - 1.0)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    for n in range(400):
        agent.send_message(report=Report(health=Health(ok=n % 2 == 1, text="ECC")))
    agent.send_message(report=Report(health=Health(ok=False, text="last")))
    make.wait_for(lambda: AgentRow.objects.get().sequence == agent.sequence)
    make.wait_for(lambda: Backend.objects.filter(status=BackendStatus.SHUTDOWN, why=ShutdownReason.UNHEALTHY).exists())
    statuses = [event.request["status"] for event in Event.objects.filter(action="SET_BACKEND_STATUS").order_by("pk")]
    assert 1 <= len(statuses) <= 4
    assert statuses[-1] == "SHUTDOWN"
    agent.send_message(report=Report(health=Health(ok=True)))
    make.wait_for(lambda: Backend.objects.filter(pk=node.pk, status=BackendStatus.ACTIVE).exists(), within=30)


def test_a_token_hears_that_too_many_of_its_jobs_wait(manager: Server, connect: Connect, settings: Any) -> None:
    settings.MOREH_WAITING_JOBS = 1
    sda = make.sda(max_duplicates=0)
    waiting, late, neighbour = (
        Client(connect(manager), secret) for secret in (*[sda.token.value] * 2, make.sda().token.value)
    )
    waiting.open()
    assert waiting.receive().waiting.place == 1
    late.open()
    with pytest.raises(grpc.RpcError) as caught:
        late.receive()
    status, info = rpc_status.from_call(caught.value), ErrorInfo()
    assert status
    status.details[0].Unpack(info)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (info.reason, dict(info.metadata)) == ("TOO_MANY_JOBS", {"limit": "1"})
    neighbour.open()
    assert neighbour.receive().waiting.place == 2


def test_a_report_of_a_node_whose_message_is_too_long_ends_only_its_own_stream(
    manager: Server, connect: Connect
) -> None:
    (_one, key), (_other, other_key) = make.keyed_backend(1), make.keyed_backend(1)
    agent, neighbour = Agent(connect(manager), key), Agent(connect(manager), other_key)
    agent.hello(1)
    neighbour.hello(1)
    agent.send(AgentMessage(boot=1, sequence=9, report=Report(worker_ids=range(WORKERS + 1))))
    assert _end(agent)[0] is grpc.StatusCode.INVALID_ARGUMENT
    neighbour.report(cpu=42.0)
    make.wait_for(lambda: AgentRow.objects.filter(cpu=42.0).exists())
