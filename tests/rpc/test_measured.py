"""What the gRPC server counts of its calls: durations, statuses, open streams."""

import gc
from collections.abc import Callable

import grpc
import pytest

from core.measures import Measure
from moreh_cloud.rpc.measured import CALLS, ENDED, STREAMS
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server, bearer

Connect = Callable[[Server], grpc.Channel]


@pytest.fixture(autouse=True)
def _own_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with measures that have counted nothing, and that no stream of an ended server changes any more."""
    gc.collect()
    for measure in (CALLS, ENDED, STREAMS):
        monkeypatch.setattr(measure, "_numbers", {})


def counted(measure: Measure) -> list[tuple[list[str], list[float]]]:
    return sorted(measure.snapshot())


def test_calls_and_streams_are_counted_by_method_and_status(manager: Server, connect: Connect) -> None:
    channel = connect(manager)
    stub = AcceleratorsStub(channel)
    stub.ListSdas(pb.ListSdasRequest(), metadata=bearer(make.token().value), timeout=10)
    with pytest.raises(grpc.RpcError):
        stub.ListSdas(pb.ListSdasRequest(), metadata=bearer("nobody"), timeout=10)
    _node, key = make.keyed_backend(1)
    agent = Agent(channel, key)
    agent.hello(1)
    assert counted(STREAMS) == [(["Agents/Connect"], [1])]
    agent.drop()
    make.wait_for(lambda: counted(STREAMS) == [(["Agents/Connect"], [0])])
    make.wait_for(lambda: len(counted(ENDED)) == 3)
    *calls, (stream, times) = counted(ENDED)
    assert calls == [(["Accelerators/ListSdas", "OK"], [1]), (["Accelerators/ListSdas", "UNAUTHENTICATED"], [1])]
    # The server learns first that no message follows, or that the client has gone.
    assert (stream[0], stream[1] in ("OK", "CANCELLED"), times) == ("Agents/Connect", True, [1])
    ((method, numbers),) = counted(CALLS)
    assert (method, sum(numbers[:-1]), numbers[-1] > 0) == (["Accelerators/ListSdas"], 2, True)
