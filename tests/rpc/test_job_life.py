"""A job's whole life over the wire, row by row."""

from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest
from django.core.cache import cache

from backends.choices import DEFAULT_GROUP, DeviceStatus
from backends.models import Device, Order
from core.clock import to_ms
from events.models import Event
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.agents_pb2 import WorkerLost
from protocol.v1.jobs_pb2_grpc import JobsStub
from scheduler.choices import JobStatus, WorkerState
from scheduler.cycle.tick import tick
from scheduler.estimates.start_estimates import refresh_estimates
from scheduler.models import Allocation, Job, Worker
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]


def _actions(job_id: int) -> list[str]:
    return list(Event.objects.filter(subject=f"job/{job_id}").order_by("pk").values_list("action", flat=True))


def test_a_job_waits_gets_devices_runs_ends_and_leaves_clean_devices(manager: Server, connect: Connect) -> None:
    node, key = make.keyed_backend(2)
    sda = make.sda(2, env={"LICENSE": "abc"})
    client, agent = Client(connect(manager), sda.token.value), Agent(connect(manager), key)

    welcome = agent.hello(2)
    assert (welcome.backend_id, welcome.backend_name, list(welcome.workers)) == (node.pk, node.name, [])
    assert list(agent.carry_out("clean").clean.device_indexes) == [0, 1]

    client.open(pid=7, process_name="train.py", framework="pytorch 2.1", client_version="0.1.0")
    first = client.receive()
    job = Job.objects.get()
    assert (first.job_id, first.attempt, first.heartbeat_interval_ms, first.grace_ms) == (job.pk, 1, 10_000, 60_000)
    assert (first.waiting.place, first.waiting.needed) == (1, 2)
    assert first.resume_key
    assert (job.pid, job.process_name, job.referer_protocol, job.referer_ip) == (7, "train.py", "grpc", "127.0.0.1")

    make.wait_for(lambda: make.statuses(node) == ["IDLE", "IDLE"])
    tick(job.group_id)
    submitted = client.receive_until("submitted")
    assert [(host.host, list(host.device_indexes)) for host in submitted.submitted.hosts] == [(node.name, [0, 1])]
    assert submitted.resume_key == ""

    start = agent.carry_out("start", address="10.0.0.1:30000").start
    worker = Worker.objects.get()
    assert (start.worker_id, start.job_id, start.attempt) == (worker.pk, job.pk, 1)
    assert (list(start.device_indexes), dict(start.env)) == ([0, 1], {"LICENSE": "abc"})
    running = client.receive_until("running")
    (address,) = running.running.workers
    assert (address.host, address.address, list(address.device_indexes)) == (node.name, "10.0.0.1:30000", [0, 1])
    assert make.statuses(node) == [DeviceStatus.PROCESSING] * 2
    assert Allocation.objects.filter(job=job, ended_at=None).count() == 2

    client.finish(0)
    ended = client.receive_until("ended").ended
    assert (ended.status, ended.reason) == ("COMPLETED", "")
    with pytest.raises(EOFError):
        client.receive()
    job.refresh_from_db()
    assert (job.status, job.exit_code) == (JobStatus.COMPLETED, 0)
    assert set(Allocation.objects.values_list("ended_at", flat=True)) == {job.ended_at}
    assert make.statuses(node) == [DeviceStatus.CLEANING] * 2

    assert agent.carry_out("stop").stop.worker_id == worker.pk
    assert list(agent.carry_out("clean").clean.device_indexes) == [0, 1]
    make.wait_for(lambda: make.statuses(node) == ["IDLE", "IDLE"])
    worker.refresh_from_db()
    assert worker.state == WorkerState.GONE
    assert _actions(job.pk) == ["CREATE_JOB", "SUBMIT_JOB", "START_JOB", "COMPLETED_JOB"]
    assert [(order.verb, order.state) for order in Order.objects.order_by("created_at")] == [
        ("CLEAN", "DONE"),
        ("START", "DONE"),
        ("STOP", "DONE"),
        ("CLEAN", "DONE"),
    ]


def _begin(manager: Server, connect: Connect, num_devices: int = 1) -> tuple[Agent, Client]:
    """Connect a node of one device and open a job that wants `num_devices`."""
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    agent.carry_out("clean")
    client = Client(connect(manager), make.sda(num_devices).token.value)
    client.open()
    return agent, client


def _run(manager: Server, connect: Connect) -> tuple[Agent, Client]:
    agent, client = _begin(manager, connect)
    make.wait_for(lambda: Device.objects.filter(status=DeviceStatus.IDLE).count() == 1)
    assert client.receive().waiting.place == 1
    tick(DEFAULT_GROUP)
    agent.carry_out("start", address="10.0.0.1:30000")
    client.receive_until("running")
    return agent, client


def test_a_waiting_job_has_its_true_pending_reason_and_gets_a_better_place(manager: Server, connect: Connect) -> None:
    _agent, first = _begin(manager, connect, num_devices=2)
    assert first.receive().waiting.reason == ""
    second = Client(connect(manager), make.sda(2).token.value)
    second.open()
    assert second.receive().waiting.place == 2
    make.wait_for(lambda: Device.objects.filter(status=DeviceStatus.IDLE).count() == 1)
    tick(DEFAULT_GROUP)
    why = first.receive().waiting
    assert (why.place, why.reason, why.needed, why.available) == (1, "NEVER_FITS", 2, 1)
    first.cancel()
    assert first.receive_until("ended").ended.reason == "BY_USER"
    changed_places = second.receive_until("waiting").waiting
    while changed_places.place != 1:
        changed_places = second.receive().waiting
    assert changed_places.reason == "NEVER_FITS"


def test_a_job_behind_the_head_names_who_blocks_it(manager: Server, connect: Connect) -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    head, behind = (Client(connect(manager), make.sda(2).token.value) for _ in range(2))
    head.open()
    head_id = head.receive().job_id
    behind.open()
    behind.receive()
    tick(DEFAULT_GROUP)
    why = behind.receive().waiting
    assert (why.place, why.reason, why.blocker_job_id) == (2, "BLOCKED_BY_HEAD", head_id)


def test_a_waiting_job_hears_when_it_may_start(manager: Server, connect: Connect) -> None:
    cache.clear()
    held = make.running_job(make.ready_backend(1))
    Job.objects.filter(pk=held.pk).update(time_limit=timedelta(hours=1))
    client = Client(connect(manager), make.sda(1).token.value)
    client.open()
    assert not client.receive().waiting.HasField("estimated_start_ms")
    refresh_estimates(DEFAULT_GROUP)
    estimated = client.receive().waiting.estimated_start_ms
    held.refresh_from_db()
    assert held.submitted_at
    assert estimated == to_ms(held.submitted_at) + 3_600_000
    cache.clear()


def test_before_it_asks_a_client_hears_what_would_become_of_it(manager: Server, connect: Connect) -> None:
    make.running_job(make.ready_backend(2))
    stub = JobsStub(connect(manager))

    def check(num_devices: int, **requested: int) -> pb.CheckResponse:
        secret = make.sda(num_devices).token.value
        return stub.Check(pb.CheckRequest(**requested), metadata=(("authorization", f"Bearer {secret}"),), timeout=10)

    fits = check(1, time_limit_s=60)
    assert (fits.starts, fits.device_count, fits.HasField("waiting"), list(fits.remedies)) == (True, 1, False, [])
    waits = check(2)
    assert (waits.starts, waits.waiting.place, waits.waiting.reason) == (False, 1, "NOT_ENOUGH_DEVICES")
    assert (waits.waiting.needed, waits.waiting.available, waits.waiting.HasField("estimated_start_ms")) == (
        2,
        1,
        False,
    )
    assert [(one.change, one.value) for one in waits.remedies] == [("nodes", 1)]
    with pytest.raises(grpc.RpcError) as refused:
        check(1, sda_id=99)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as refused:
        check(1, time_limit_s=2**32 - 1)  # as opening the job refuses it
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert Job.objects.count() == 1


def test_a_program_that_fails_fails_its_job(manager: Server, connect: Connect) -> None:
    _agent, client = _run(manager, connect)
    client.finish(3)
    ended = client.receive_until("ended").ended
    assert (ended.status, ended.reason, Job.objects.get().exit_code) == ("FAILED", "EXIT_CODE", 3)


def test_a_worker_that_dies_fails_its_job(manager: Server, connect: Connect) -> None:
    agent, client = _run(manager, connect)
    worker = Worker.objects.get()
    agent.send_message(worker_lost=WorkerLost(worker_id=worker.pk, exit_code=-9, detail="killed"))
    ended = client.receive_until("ended").ended
    assert (ended.status, ended.reason) == ("FAILED", "WORKER_ERROR")
    assert ended.detail == f"{worker.backend.name}: killed (exit code -9)"
    agent.carry_out("stop")
    agent.carry_out("clean")


def test_a_worker_that_two_reports_do_not_name_is_gone(manager: Server, connect: Connect) -> None:
    agent, client = _run(manager, connect)
    agent.report(workers=[Worker.objects.get().pk])
    agent.report()
    assert client.receives_nothing()
    agent.report()
    assert client.receive_until("ended").ended.reason == "WORKER_ERROR"
