"""Bytes that are no message, and numbers at their edges: each call refuses them in the same words."""

import math
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from core.repeated_lines import RepeatCounter
from moreh_cloud.rpc import decoding
from moreh_cloud.rpc.decoding import Undecodable
from protocol import wire
from protocol.v1 import accelerators_pb2, agents_pb2, jobs_pb2
from tests import make
from tests.rpc.servers import Server, bearer

Connect = Callable[[Server], grpc.Channel]
FILES = (accelerators_pb2, agents_pb2, jobs_pb2, health_pb2, reflection_pb2)
CALLS = {
    f"{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
GARBAGE = b"\xff\xff"
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: (0, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**31, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (0, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: (-1.0, 3e38, math.inf, -math.inf, math.nan),
    FieldDescriptor.CPPTYPE_DOUBLE: (-1.0, 1e308, math.inf, -math.inf, math.nan),
}
CODED = grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN


def send(channel: grpc.Channel, call: str, messages: list[bytes], secret: str = "") -> tuple[Any, dict[str, str]]:
    """Send bytes; return the status, and what ErrorInfo says."""
    method = CALLS[call]
    way = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    ask = getattr(channel, way)(f"/{call}", None, None)
    given = iter(messages) if method.client_streaming else messages[0]
    try:
        answer = ask(given, metadata=bearer(secret) if secret else None, timeout=10)
        if method.server_streaming:
            for _heard in zip(range(3), answer, strict=False):
                pass
            answer.cancel()
    except grpc.RpcError as error:
        found: Any = rpc_status.from_call(error)
        info = ErrorInfo()
        if found is not None and found.details:
            found.details[0].Unpack(info)
        return error.code(), {"reason": info.reason, **info.metadata}
    return grpc.StatusCode.OK, {}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Count undecodable messages from now on; return what is to be done when the minute is over."""
    due: list[Callable[[], None]] = []
    fresh = RepeatCounter("undecodable_messages", Undecodable("", ""), lambda _seconds, work: due.append(work))
    monkeypatch.setattr(decoding, "_repeats", fresh)
    return due


@pytest.mark.usefixtures("clock")
def test_bytes_that_are_no_message_are_refused_by_every_call_with_one_line(
    manager: Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    channel = connect(manager)
    assert len(CALLS) == 17
    for call in CALLS:
        status, info = send(channel, call, [GARBAGE])
        assert status is grpc.StatusCode.INVALID_ARGUMENT, call
        assert (info["reason"], info["parameter"]) == ("INVALID_PARAMETER", "message"), call
        (record,) = caplog.records
        assert ("undecodable_message" in record.getMessage(), record.exc_info) == (True, None), call
        caplog.clear()


def test_a_flood_of_bytes_that_are_no_message_is_one_line_and_a_count(
    manager: Server, connect: Connect, clock: list[Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    channel, call = connect(manager), f"{wire.PACKAGE}.Accelerators/ListSdas"
    assert {send(channel, call, [GARBAGE])[0] for _time in range(30)} == {grpc.StatusCode.INVALID_ARGUMENT}
    (record,) = caplog.records
    assert ("undecodable_message" in record.getMessage(), "127.0.0.1" in record.getMessage()) == (True, True)
    caplog.clear()
    (minute,) = clock
    minute()
    (record,) = caplog.records
    assert ("undecodable_messages" in record.getMessage(), "'count': 29" in record.getMessage()) == (True, True)


def test_bytes_in_the_middle_of_a_stream_end_it(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(1)
    hello = agents_pb2.AgentMessage(
        boot=1, sequence=1, hello=agents_pb2.Hello(instance_id=str(uuid4()), host_name="host")
    )
    status, info = send(connect(manager), f"{wire.PACKAGE}.Agents/Connect", [hello.SerializeToString(), GARBAGE], key)
    assert (status, info["reason"]) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PARAMETER")


def numbered(kind: Any, depth: int = 0) -> list[Message]:
    """Return a message for each number at its edge in each field, those of messages inside it too."""
    found: list[Message] = []
    for field in kind.fields:
        repeated = field.is_repeated
        if field.message_type is not None and depth < 3 and not field.message_type.GetOptions().map_entry:
            for inner in numbered(field.message_type, depth + 1):
                outer: Any = GetMessageClass(kind)()
                piece = getattr(outer, field.name)
                (piece.add() if repeated else piece).CopyFrom(inner)
                found.append(outer)
        for number in NUMBERS.get(field.cpp_type, ()):
            made: Any = GetMessageClass(kind)()
            if repeated:
                getattr(made, field.name).append(number)
            else:
                setattr(made, field.name, number)
            found.append(made)
    return found


@pytest.mark.parametrize("call", [name for name in CALLS if name.startswith(wire.PACKAGE)])
def test_a_number_at_its_edge_is_no_fault_of_the_server(
    manager: Server, connect: Connect, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    _node, key = make.keyed_backend(1)
    sda = make.sda(1)
    secret = key if "Agents/Connect" in call else "" if "Agents" in call else sda.token.value
    channel = connect(manager)
    for message in numbered(CALLS[call].input_type):
        status, _info = send(channel, call, [message.SerializeToString()], secret)
        assert status not in CODED, message
    assert [record for record in caplog.records if record.exc_info] == []
