"""A large batch begins in two transactions side by side, and its rows are those of one job after the other."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from django.db import connection, transaction
from structlog.testing import capture_logs

from backends.choices import DeviceStatus
from backends.models import Agent, Backend, Bmc, Device
from core.clock import db_now
from core.lease import LeaseLost
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.cycle import bind_batch
from scheduler.cycle.apply import apply
from scheduler.cycle.lease import QueueLease, acquire
from scheduler.cycle.load import load
from scheduler.models import Allocation, Job, Queue, Worker
from scheduler.policy.decisions import Decision, Placed
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Snapshot
from scheduler.reconcile import reconcile
from tests import make

GROUP = 0
NODES = 60  # of 8 devices
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_postgresql]


def _nodes() -> None:
    made = Backend.objects.bulk_create(
        Backend(name=f"n{i}", ip="10.0.0.1", group_id=GROUP, key_digest=f"{i:064}") for i in range(NODES)
    )
    Bmc.objects.bulk_create(Bmc(backend=node, ip="10.0.0.1") for node in made)
    Agent.objects.bulk_create(Agent(backend=node, last_seen=db_now()) for node in made)
    Device.objects.bulk_create(
        Device(backend=node, index=i, status=DeviceStatus.IDLE, why="") for node in made for i in range(8)
    )


def _jobs(count: int, devices: int = 1, **fields: Any) -> None:
    accelerator = make.sda(devices, max_duplicates=0)
    now = db_now()
    common = {"token": accelerator.token, "sda": accelerator, "group_id": GROUP, "num_devices": devices, **fields}
    requested = {"client_seen_at": now, "requested_at": now}
    Job.objects.bulk_create(Job(request_id=str(i), **common, **requested) for i in range(count))


def _decided() -> tuple[QueueLease, Snapshot, list[Decision]]:
    lease = acquire(GROUP)
    assert lease is not None
    snapshot = load(GROUP)
    decisions = plan(snapshot)
    assert all(isinstance(decision, Placed) for decision in decisions)
    return lease, snapshot, decisions


def _started() -> int:
    return Job.objects.filter(status=JobStatus.SUBMITTED).count()


def test_every_job_of_both_halves_and_between_them_begins_once() -> None:
    _nodes()
    _jobs(2, 12, priority=1)  # a node and a half each
    _jobs(bind_batch.LARGE + 40)
    apply(*_decided())
    assert _started() == bind_batch.LARGE + 42
    assert Allocation.objects.filter(ended_at=None).count() == bind_batch.LARGE + 40 + 24
    assert Allocation.objects.values("device").distinct().count() == bind_batch.LARGE + 64
    assert Worker.objects.count() == bind_batch.LARGE + 40 + 4
    assert Event.objects.filter(action="SUBMIT_JOB").values("subject").distinct().count() == bind_batch.LARGE + 42
    assert reconcile() == []


def test_what_has_changed_in_one_half_leaves_the_other_alone() -> None:
    _nodes()
    _jobs(bind_batch.LARGE + 40)
    lease, snapshot, decisions = _decided()
    where = {one.request_id: one.devices[0][0] for one in decisions if isinstance(one, Placed)}
    gone = max(where.values())
    Device.objects.filter(backend=gone).update(status=DeviceStatus.BUSY)
    apply(lease, snapshot, decisions)
    waiting = Job.objects.filter(status=JobStatus.WAITING).order_by("pk").values_list("pk", flat=True)
    assert list(waiting) == sorted(job for job, node in where.items() if node == gone)
    assert _started() == bind_batch.LARGE + 40 - len(waiting)
    assert Allocation.objects.values("device").distinct().count() == _started() == Allocation.objects.count()


def test_a_half_that_waits_too_long_for_a_lock_is_bound_one_by_one() -> None:
    _nodes()
    _jobs(bind_batch.LARGE + 40)
    lease, snapshot, decisions = _decided()
    last = max(one.devices[0][0] for one in decisions if isinstance(one, Placed))
    with ThreadPoolExecutor(1) as other:
        locked = threading.Event()
        holding = other.submit(_hold, last, 3.0, locked)  # longer than the lock timeout of the other half
        assert locked.wait(10)
        with capture_logs() as logs:
            apply(lease, snapshot, decisions)
        holding.result()
    (warning,) = [one for one in logs if one["event"] == "batch_beside_failed"]
    assert (warning["group"], warning["error"]) == (GROUP, "LockNotAvailable")
    assert _started() == bind_batch.LARGE + 40 == Allocation.objects.values("device").distinct().count()
    assert reconcile() == []


def _hold(node: int, seconds: float, locked: threading.Event) -> None:
    try:
        with transaction.atomic():
            list(Device.objects.select_for_update().filter(backend=node))
            locked.set()
            sleep(seconds)
    finally:
        connection.close()


def test_a_second_batch_writes_nothing_under_an_old_epoch() -> None:
    _nodes()
    _jobs(3)
    lease, _snapshot, decisions = _decided()
    late = QueueLease(GROUP, lease.number - 1)
    placed = [one for one in decisions if isinstance(one, Placed)]
    with pytest.raises(LeaseLost):
        bind_batch._bind_second(late, placed, {})
    assert (_started(), Queue.objects.get().epoch) == (0, lease.number)
