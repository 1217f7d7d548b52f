"""The server itself: who may call, how errors look, health, reflection, limits, TLS, many idle streams."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
import pytest
from django.db import connection
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from backends.models import ManagerPresence
from protocol import wire
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub
from protocol.v1.agents_pb2 import EnrolRequest
from protocol.v1.agents_pb2_grpc import AgentsStub
from scheduler.models import Job
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server, bearer

Connect = Callable[[Server], grpc.Channel]
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def _error(call: Callable[[], object]) -> tuple[grpc.StatusCode, ErrorInfo]:
    """Make a call that is refused; return its status and what ErrorInfo says."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    info = ErrorInfo()
    if status is not None:
        assert status.details[0].Unpack(info)
        assert info.domain == "moreh.cloud"
    return caught.value.code(), info


def _names(stub: AcceleratorsStub, *metadata: tuple[str, str]) -> Callable[[], object]:
    return lambda: stub.ListSdas(pb.ListSdasRequest(), metadata=metadata, timeout=10)


def test_strangers_are_refused(manager: Server, connect: Connect) -> None:
    _node, node_key = make.keyed_backend(1)
    token = make.token()
    stub = AcceleratorsStub(connect(manager))
    strangers = {
        "nothing": _names(stub),
        "a wrong token": _names(stub, ("authorization", "Bearer wrong")),
        "another scheme": _names(stub, ("authorization", f"Basic {token.value}")),
        "a node's key": _names(stub, ("authorization", f"Bearer {node_key}")),
    }
    for who, call in strangers.items():
        status, info = _error(call)
        assert (status, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), who
    agent = Agent(connect(manager), token.value)
    agent.send_hello(1)
    assert _error(agent.receive)[1].reason == "UNAUTHENTICATED"
    client = Client(connect(manager), node_key)
    client.open()
    assert _error(client.receive)[1].reason == "UNAUTHENTICATED"


def test_errors_carry_the_code_of_rest_and_name_what_is_wrong(manager: Server, connect: Connect) -> None:
    sda = make.sda(1)
    stub = AcceleratorsStub(connect(manager))
    status, info = _error(
        lambda: stub.SwitchModel(pb.SwitchModelRequest(model_id=4711), metadata=bearer(sda.token.value), timeout=10)
    )
    assert (status, info.reason, dict(info.metadata)) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        {"model_id": "4711"},
    )
    make.job(sda)
    requested = pb.SwitchModelRequest(model_id=sda.model_id)
    status, info = _error(lambda: stub.SwitchModel(requested, metadata=bearer(sda.token.value), timeout=10))
    assert (status, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SDA_IN_USE")


def _used() -> int | None:
    return Job.objects.get().used_memory


@contextmanager
def _without(table: str) -> Iterator[None]:
    """Let the database refuse what needs this table."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO gone")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE gone RENAME TO {table}")


def _health(channel: grpc.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    answer: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status
    return answer


def test_health_is_serving_only_while_the_database_answers(manager: Server, connect: Connect) -> None:
    channel = connect(manager)
    services = ("", *(f"{wire.PACKAGE}.{name}" for name in ("Accelerators", "Agents", "Jobs")))
    assert {_health(channel, service) for service in services} == {SERVING}
    with _without("backends_managerpresence"):
        make.wait_for(lambda: _health(channel) == NOT_SERVING)
    make.wait_for(lambda: _health(channel) == SERVING)


def test_an_error_of_the_database_is_unavailable_without_details(manager: Server, connect: Connect) -> None:
    token = make.token()
    stub = AcceleratorsStub(connect(manager))
    with _without("sda_sda"):
        status, info = _error(_names(stub, *bearer(token.value)))
    assert (status, info.reason, set(info.metadata)) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_ERROR", set())


def test_a_manager_shows_its_presence(manager: Server) -> None:
    observed = ManagerPresence.objects.get().seen
    make.wait_for(lambda: ManagerPresence.objects.get().seen > observed)


def test_reflection_lists_every_service_and_its_methods(manager: Server, connect: Connect) -> None:
    reflected = ProtoReflectionDescriptorDatabase(connect(manager))
    assert set(reflected.get_services()) == {
        f"{wire.PACKAGE}.Accelerators",
        f"{wire.PACKAGE}.Agents",
        f"{wire.PACKAGE}.Jobs",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = reflected.FindFileContainingSymbol(f"{wire.PACKAGE}.Jobs")
    assert [method.name for method in file.service[0].method] == ["Run", "Check", "ReadLog"]


def test_a_message_over_the_limit_is_refused(manager: Server, connect: Connect, settings: Any) -> None:
    enrol = AgentsStub(connect(manager)).Enrol
    request = EnrolRequest(name="x" * settings.MOREH_GRPC_MAX_MESSAGE)
    assert _error(lambda: enrol(request, timeout=10))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    client = Client(connect(manager), make.sda().token.value)
    client.open("x" * settings.MOREH_GRPC_MAX_MESSAGE)
    with pytest.raises(grpc.RpcError):
        client.receive()


# A server that is torn down with hundreds of open streams leaves some of grpc.aio's own coroutines half closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_many_idle_streams_do_not_hold_up_a_call(manager: Server, connect: Connect) -> None:
    token = make.sda().token
    clients = [Client(connect(manager), token.value) for _ in range(15)]
    channels = [connect(manager) for _ in range(3)]
    outgoing: Queue[None] = Queue()
    idle = [AgentsStub(channel).Connect(iter(outgoing.get, None)) for channel in channels for _ in range(95)]
    for client in clients:
        client.open()
    for client in clients:
        client.receive()
    stub = AcceleratorsStub(connect(manager))
    times = []
    for _ in range(20):
        begun = time.monotonic()
        stub.ListSdas(pb.ListSdasRequest(), metadata=bearer(token.value), timeout=5)
        times.append(time.monotonic() - begun)
    assert sorted(times)[-2] < 0.2
    for call in idle:
        call.cancel()
        outgoing.put(None)


def test_a_server_that_goes_down_sends_its_streams_away(manager: Server, connect: Connect) -> None:
    client = Client(connect(manager), make.sda().token.value)
    client.open()
    client.receive()
    client.beat(used_memory_mib=123)
    make.wait_for(lambda: bool(manager.manager.jobs._heartbeats) or _used() == 123)
    begun = time.monotonic()
    manager.stop()
    assert time.monotonic() - begun < 5
    status, info = _error(client.receive)
    assert (status, info.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert _used() == 123
