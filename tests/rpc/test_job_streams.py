"""Streams of jobs: resumed, ended with their token, kept by heartbeats, and refused."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
import redis
from django.db.models import F

from backends.models import ManagerPresence
from core.clock import db_now
from events.models import Event
from protocol.v1 import jobs_pb2 as pb
from scheduler.choices import JobStatus
from scheduler.models import Job
from scheduler.services.submission import resume_key
from scheduler.work import sweep
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server
from tests.rpc.test_job_life import Connect, _run
from tokens.services import rotate_token


def test_the_same_request_gives_the_same_job(manager: Server, second_manager: Server, connect: Connect) -> None:
    token = make.sda(1).token.value
    clients = [Client(connect(to), token) for to in (manager, second_manager, manager, second_manager)]
    for client in clients:
        client.open("one-request")
    updates = [client.receive() for client in clients]
    assert len({update.job_id for update in updates}) == len({update.resume_key for update in updates}) == 1
    assert Job.objects.count() == 1
    assert Event.objects.filter(action="CREATE_JOB").count() == 1


def test_a_job_goes_on_with_another_server(manager: Server, second_manager: Server, connect: Connect) -> None:
    agent, client = _run(manager, connect)
    client.drop()
    job = Job.objects.get()
    again = Client(connect(second_manager), job.token.value)
    again.resume(job.pk, resume_key(job))
    update = again.receive()
    assert update.running.workers[0].address == "10.0.0.1:30000"
    assert (update.resume_key, update.grace_ms, update.revision) == ("", 60_000, job.revision)
    again.finish()
    assert again.receive_until("ended").ended.status == "COMPLETED"
    agent.carry_out("stop")
    last = Client(connect(manager), job.token.value)
    last.resume(job.pk, resume_key(job))
    assert last.receive().ended.status == "COMPLETED"


def test_a_wrong_key_or_another_token_resumes_nothing(manager: Server, connect: Connect) -> None:
    job = make.job()
    for token, key in ((job.token.value, "wrong"), (make.token().value, resume_key(job)), (job.token.value, "é")):
        client = Client(connect(manager), token)
        client.resume(job.pk, key)
        with pytest.raises(grpc.RpcError) as caught:
            client.receive()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_client_that_stays_away_loses_its_job_after_the_grace(
    manager: Server, connect: Connect, settings: Any
) -> None:
    agent, client = _run(manager, connect)
    settings.MOREH_CLIENT_GRACE = timedelta(seconds=60)
    client.drop()
    sweep()
    assert Job.objects.get().status == JobStatus.RUNNING
    since = db_now() - timedelta(seconds=61)
    Job.objects.update(client_seen_at=since)
    ManagerPresence.objects.update(since=since)
    sweep()
    job = Job.objects.get()
    assert (job.status, job.cause) == (JobStatus.FAILED, "CLIENT_LOST")
    agent.carry_out("stop")
    agent.carry_out("clean")


def test_a_rotated_token_ends_its_open_streams_and_leaves_those_of_others(manager: Server, connect: Connect) -> None:
    _node, key = make.keyed_backend(2)
    agent = Agent(connect(manager), key)
    agent.hello(2)
    sda, other = make.sda(1), make.sda(1)
    client, neighbour = Client(connect(manager), sda.token.value), Client(connect(manager), other.token.value)
    client.open()
    neighbour.open()
    client.receive()
    neighbour.receive()
    rotated = rotate_token(sda.token, actor=make.ACTOR)
    with pytest.raises(grpc.RpcError) as caught:
        client.receive_until("ended")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    job = Job.objects.get(sda=sda)
    again = Client(connect(manager), rotated.value)
    again.resume(job.pk, resume_key(job))
    assert again.receive().job_id == job.pk
    neighbour.cancel()
    assert neighbour.receive_until("ended").ended.status == "CANCELED"


def test_heartbeats_keep_a_job_and_store_what_it_uses(manager: Server, connect: Connect) -> None:
    _agent, client = _run(manager, connect)
    before = Job.objects.get().client_seen_at
    client.beat(used_memory_mib=100, utilization_percent=50.0)
    client.beat(used_memory_mib=4000, utilization_percent=64.8)
    make.wait_for(lambda: Job.objects.get().used_memory == 4000)
    job = Job.objects.get()
    assert (job.utilization, job.pid) == (64.8, 77)
    assert job.client_seen_at > before
    client.beat(used_memory_mib=2**64 - 1, utilization_percent=float("nan"))
    make.wait_for(lambda: Job.objects.get().used_memory is None)
    assert Job.objects.get().utilization is None
    client.beat(used_memory_mib=0, utilization_percent=0)
    make.wait_for(lambda: Job.objects.get().used_memory == 0)
    assert Job.objects.get().utilization == 0
    client.beat()  # a device of which nothing was measured
    make.wait_for(lambda: Job.objects.get().used_memory is None)
    assert Job.objects.get().utilization is None


def test_changes_without_news_come_with_the_next_poll(manager: Server, connect: Connect, broker: redis.Redis) -> None:
    _agent, client = _run(manager, connect)
    broker.client_kill_filter(_type="pubsub")
    Job.objects.update(status="CANCELED", ended_at=db_now(), revision=F("revision") + 1)
    assert client.receive(within=4.0).ended.status == "CANCELED"


NONSENSE = {
    "nothing at all": pb.ClientMessage(),
    "a heartbeat first": pb.ClientMessage(heartbeat=pb.Heartbeat()),
    "no request id": pb.ClientMessage(open=pb.Open()),
    "a request id that is too long": pb.ClientMessage(open=pb.Open(request_id="x" * 65)),
    "a negative pid": pb.ClientMessage(open=pb.Open(request_id="x", pid=-1)),
    "a NUL in a request id": pb.ClientMessage(open=pb.Open(request_id="x\0")),
}


@pytest.mark.parametrize("message", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_stream_that_begins_with_nonsense_makes_no_job(
    message: pb.ClientMessage, manager: Server, connect: Connect
) -> None:
    client = Client(connect(manager), make.sda().token.value)
    client.send(message)
    with pytest.raises(grpc.RpcError) as caught:
        client.receive()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert Job.objects.count() == 0


def test_an_impossible_exit_code_ends_the_stream_and_not_the_job(manager: Server, connect: Connect) -> None:
    _agent, client = _run(manager, connect)
    client.finish(256)
    with pytest.raises(grpc.RpcError) as caught:
        client.receive_until("ended")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert Job.objects.get().status == JobStatus.RUNNING
