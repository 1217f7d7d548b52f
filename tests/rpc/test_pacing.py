"""One caller cannot call without bound, and its neighbours are served meanwhile."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from core import pace
from core.pace import TooManyCalls
from moreh_cloud.rpc.pacing import BURST, Callers
from protocol.v1 import accelerators_pb2, agents_pb2, jobs_pb2
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub
from protocol.v1.agents_pb2_grpc import AgentsStub
from protocol.v1.jobs_pb2_grpc import JobsStub
from scheduler.models import Job
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server, bearer, server
from tokens.services import rotate_token

Connect = Callable[[Server], grpc.Channel]
Call = Callable[[], object]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def slow(settings: Any) -> None:
    settings.MOREH_GRPC_CALL_RATE = settings.MOREH_GRPC_STRANGER_RATE = 1


def _list(channel: grpc.Channel, token: str) -> Call:
    requested = accelerators_pb2.ListSdasRequest()
    return lambda: AcceleratorsStub(channel).ListSdas(requested, metadata=bearer(token))


def _check(channel: grpc.Channel, token: str) -> Call:
    return lambda: JobsStub(channel).Check(jobs_pb2.CheckRequest(), metadata=bearer(token))


def _enrol(channel: grpc.Channel, key: str) -> Call:
    requested = agents_pb2.EnrolRequest(enrolment_key=key, name="node", instance_id="one")
    return lambda: AgentsStub(channel).Enrol(requested)


def _codes(call: Call, times: int) -> Iterator[str]:
    for _time in range(times):
        try:
            call()
            yield "OK"
        except grpc.RpcError as error:
            yield error.code().name


CALLS = {"a list": (_list, "OK"), "a dry run": (_check, "OK"), "an enrolment": (_enrol, "UNAUTHENTICATED")}


@pytest.mark.parametrize("kind", CALLS)
def test_a_secret_that_calls_too_often_gets_the_time_to_wait(kind: str, manager: Server, connect: Connect) -> None:
    make_call, answer = CALLS[kind]
    sda, other = make.sda(), make.sda()
    secret = "enrolment" if kind == "an enrolment" else sda.token.value
    call = make_call(connect(manager), secret)
    assert list(_codes(call, BURST)) == [answer] * BURST
    list(_codes(call, 1))  # as long as all these took, one more may come
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(caught.value)
    info, retry = ErrorInfo(), RetryInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert info.reason == "THROTTLED"
    assert 0 < retry.retry_delay.ToNanoseconds() <= 1e9
    assert list(_codes(_list(connect(manager), other.token.value), 1)) == ["OK"]


def test_unknown_secrets_of_an_address_stop_neither_known_ones_nor_other_addresses() -> None:
    callers = Callers()
    callers.know("customer")
    for number in range(BURST):
        callers.admit(f"guess {number}", "192.0.2.1", counted=True)
        callers.refuse(f"guess {number}", "192.0.2.1")
    with pytest.raises(TooManyCalls):
        callers.admit("another guess", "192.0.2.1", counted=True)
    with pytest.raises(TooManyCalls):
        callers.admit("another guess", "192.0.2.1", counted=False)
    callers.admit("customer", "192.0.2.1", counted=True)
    callers.admit("another guess", "192.0.2.2", counted=True)


def test_one_wrong_secret_that_comes_again_and_again_stops_only_itself() -> None:
    callers = Callers()
    for _time in range(BURST):
        callers.admit("old token", "192.0.2.1", counted=False)
        callers.refuse("old token", "192.0.2.1")
    with pytest.raises(TooManyCalls):
        callers.admit("old token", "192.0.2.1", counted=False)
    callers.admit("a new customer's", "192.0.2.1", counted=True)


def test_a_known_token_opens_as_many_streams_as_it_has_jobs(settings: Any, manager: Server, connect: Connect) -> None:
    sda = make.sda(max_duplicates=0)
    for _job in range(2 * BURST):
        client = Client(connect(manager), sda.token.value)
        client.open()
        assert client.receive().HasField("waiting")


def test_hellos_with_a_wrong_key_are_bounded(manager: Server, connect: Connect) -> None:
    make.keyed_backend(1)
    codes = []
    for _time in range(BURST + 2):
        agent = Agent(connect(manager), "a wrong key")
        with pytest.raises(grpc.RpcError) as caught:
            agent.hello(1)
        codes.append(caught.value.code().name)
    assert codes[:BURST] == ["UNAUTHENTICATED"] * BURST
    assert "RESOURCE_EXHAUSTED" in codes[BURST:]


def test_a_token_that_was_rotated_is_no_longer_known(manager: Server, connect: Connect) -> None:
    sda = make.sda()
    old = _list(connect(manager), sda.token.value)
    assert list(_codes(old, 1)) == ["OK"]
    new = rotate_token(sda.token, actor=make.ACTOR).value
    assert list(_codes(old, 1)) == ["UNAUTHENTICATED"]
    assert list(_codes(_list(connect(manager), new), 1)) == ["OK"]


def test_without_a_rate_nobody_is_counted(settings: Any) -> None:
    settings.MOREH_GRPC_CALL_RATE = settings.MOREH_GRPC_STRANGER_RATE = 0
    callers = Callers()
    for number in range(5 * BURST):
        callers.admit("same", "192.0.2.1", counted=True)
        callers.refuse(f"guess {number}", "192.0.2.1")


def test_whoever_may_do_everything_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MANY", 10)
    clock = count()
    made = pace.Pace(every=2.0, burst=1, now=lambda: float(next(clock)))
    for key in range(1000):
        assert made.wait(key) == 0
    assert len(made._next) <= 20


def _requested(channel: grpc.Channel, token: str, request_id: str) -> str:
    """Ask for a job, cancel it, and return how that ended."""
    client = Client(channel, token)
    client.open(request_id)
    client.cancel()
    try:
        client.receive_until("ended")
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_new_jobs_of_a_token_are_bounded_and_known_ones_go_on(settings: Any, connect: Connect) -> None:
    settings.MOREH_GRPC_JOB_RATE, settings.MOREH_WAITING_JOBS, settings.MOREH_GRPC_CALL_RATE = 1, 2, 0
    token, other = make.sda().token.value, make.sda().token.value
    with server() as running:
        channel = connect(running)
        codes = [_requested(channel, token, str(number)) for number in range(8)]
        assert codes[:2] == ["OK", "OK"]
        assert set(codes[2:]) <= {"OK", "RESOURCE_EXHAUSTED"}
        refused = codes.count("RESOURCE_EXHAUSTED")
        assert refused >= 1
        assert Job.objects.count() == 8 - refused
        assert [_requested(channel, token, "0"), _requested(channel, other, "0")] == ["OK", "OK"]
