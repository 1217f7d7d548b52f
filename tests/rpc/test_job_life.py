"""A job's whole life over the wire, row by row."""

from collections.abc import Callable

import grpc
import pytest

from backends.choices import DeviceStatus
from backends.models import Order
from moreh_cloud.events.models import Event
from scheduler.choices import JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.tick import tick
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
    first = client.hear()
    job = Job.objects.get()
    assert (first.job_id, first.attempt, first.heartbeat_interval_ms, first.grace_ms) == (job.pk, 1, 10_000, 60_000)
    assert (first.waiting.place, first.waiting.needed) == (1, 2)
    assert first.resume_key
    assert (job.pid, job.process_name, job.referer_protocol, job.referer_ip) == (7, "train.py", "grpc", "127.0.0.1")

    make.wait_for(lambda: make.statuses(node) == ["IDLE", "IDLE"])
    tick(job.group_id)
    submitted = client.hear_until("submitted")
    assert [(host.host, list(host.device_indexes)) for host in submitted.submitted.hosts] == [(node.name, [0, 1])]
    assert submitted.resume_key == ""

    start = agent.carry_out("start", address="10.0.0.1:30000").start
    worker = Worker.objects.get()
    assert (start.worker_id, start.job_id, start.attempt) == (worker.pk, job.pk, 1)
    assert (list(start.device_indexes), dict(start.env)) == ([0, 1], {"LICENSE": "abc"})
    running = client.hear_until("running")
    (address,) = running.running.workers
    assert (address.host, address.address, list(address.device_indexes)) == (node.name, "10.0.0.1:30000", [0, 1])
    assert make.statuses(node) == [DeviceStatus.PROCESSING] * 2
    assert Allocation.objects.filter(job=job, ended_at=None).count() == 2

    client.finish(0)
    ended = client.hear_until("ended").ended
    assert (ended.status, ended.reason) == ("COMPLETED", "")
    with pytest.raises(EOFError):
        client.hear()
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
