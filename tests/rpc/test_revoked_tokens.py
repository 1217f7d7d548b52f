"""What a token's value that was rotated or deleted still says on open streams and calls is never taken."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import grpc
import pytest
from django.db import connection, transaction

from core.crypto import digest
from core.errors import Unauthenticated
from protocol.v1 import accelerators_pb2 as accelerators
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub
from scheduler.models import Job
from scheduler.services.heartbeats import ClientHeartbeat, store_heartbeats
from sda.models import Sda
from tests import make
from tests.rpc.peers import Client
from tests.rpc.servers import Server, bearer
from tokens.models import Token
from tokens.services import delete_token, presented, rotate_token

Connect = Callable[[Server], grpc.Channel]
pytestmark = pytest.mark.django_db(transaction=True)
SENDS: dict[str, Callable[[Client], None]] = {
    "that the program is over": lambda client: client.finish(0),
    "that the user cancels it": lambda client: client.cancel(),
}


@pytest.fixture
def blind(settings: Any) -> None:
    """Let no stream look at its token by itself."""
    settings.MOREH_GRPC_POLL = timedelta(hours=1)


@pytest.mark.parametrize("send", SENDS)
def test_a_message_of_a_rotated_token_is_refused_before_the_next_poll(
    send: str, blind: None, manager: Server, connect: Connect
) -> None:
    sda = make.sda(1)
    client = Client(connect(manager), sda.token.value)
    client.open()
    client.receive()
    Token.objects.filter(pk=sda.token_id).update(value_digest=digest("another"))  # nobody tells the stream
    SENDS[send](client)
    with pytest.raises(grpc.RpcError) as caught:
        client.receive_until("ended")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Job.objects.get().status == "WAITING"


def test_a_heartbeat_of_a_value_that_was_rotated_changes_nothing() -> None:
    job = make.job()
    before = job.client_seen_at
    old = job.token.value_digest
    new = rotate_token(job.token, actor=make.ACTOR).value_digest
    store_heartbeats([ClientHeartbeat(job.pk, old, used_memory=7)])
    job.refresh_from_db()
    assert (job.used_memory, job.client_seen_at) == (None, before)
    store_heartbeats([ClientHeartbeat(job.pk, new, used_memory=8), ClientHeartbeat(job.pk, old, used_memory=7)])
    job.refresh_from_db()
    assert job.used_memory == 8


def _in_own_connection(call: Callable[[], object]) -> object:
    try:
        return call()
    except Unauthenticated as refusal:
        return refusal
    finally:
        connection.close()


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("revoke", [rotate_token, delete_token])
def test_whoever_presents_a_value_while_it_is_revoked_waits_and_is_refused(
    revoke: Callable[..., object], alone: bool
) -> None:
    token = make.token()
    done, commit = Event(), Event()

    def slowly() -> None:
        with transaction.atomic():
            list(Token.objects.select_for_update().filter(pk=token.pk))  # as who deletes SDAs and their token does
            revoke(token, actor=make.ACTOR)
            done.set()
            commit.wait(10)

    def present() -> str:
        with presented(digest(token.value), alone=alone):
            return "taken"

    with ThreadPoolExecutor(2) as threads:
        revoking = threads.submit(_in_own_connection, slowly)
        assert done.wait(10)
        presenting = threads.submit(_in_own_connection, present)
        commit.set()
        assert revoking.result(10) is None
        assert isinstance(presenting.result(10), Unauthenticated)


def test_a_revocation_waits_for_what_is_being_written_for_the_value() -> None:
    token = make.token()
    inside, over = Event(), Event()
    order: list[str] = []

    def write() -> None:
        with presented(token.value_digest):
            inside.set()
            over.wait(10)
            order.append("written")

    def revoke() -> None:
        rotate_token(token, actor=make.ACTOR)
        order.append("rotated")

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(_in_own_connection, write)
        assert inside.wait(10)
        revoking = threads.submit(_in_own_connection, revoke)
        over.set()
        assert (writing.result(10), revoking.result(10)) == (None, None)
    assert order == ["written", "rotated"]


def test_a_tool_with_a_value_that_was_rotated_changes_nothing(manager: Server, connect: Connect) -> None:
    sda = make.sda(1)
    old = sda.token.value
    rotate_token(sda.token, actor=make.ACTOR)
    stub = AcceleratorsStub(connect(manager))
    with pytest.raises(grpc.RpcError) as caught:
        stub.RemoveSda(accelerators.RemoveSdaRequest(sda_id=sda.pk), metadata=bearer(old))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Sda.objects.live().count() == 1
