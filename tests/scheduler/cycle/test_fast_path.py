"""Jobs that find free devices are started by whoever took them in; all others by a tick, and no row differs."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction

from backends.choices import DeviceStatus
from backends.models import Device, Order
from core.clock import db_now
from core.lease import LeaseLost
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.cycle.apply import apply
from scheduler.cycle.fast_path import try_fast_path
from scheduler.cycle.lease import acquire
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Queue, Worker
from scheduler.policy.plan import plan
from sda.models import Sda
from tests import make
from tokens.services import update_token

GROUP = 0
pytestmark = [pytest.mark.django_db, pytest.mark.only_postgresql]


@pytest.fixture
def ticked(db: None) -> None:
    """A queue that has been looked at before."""
    tick(GROUP)


@pytest.fixture
def bells() -> Callable[[], list[str]]:
    """Tasks that were asked of the workers since the test began."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.flushdb()
    return lambda: [json.loads(message)["headers"]["task"] for message in broker.lrange("celery", 0, -1)]


def _rows() -> list[Any]:
    return [
        list(Job.objects.order_by("pk").values_list("status", "revision", "pending_reason", "attempt")),
        list(Device.objects.order_by("pk").values_list("status", "why", "drain_to")),
        list(Allocation.objects.order_by("pk").values_list("job_id", "sda_id", "token_id", "device_id", "ended_at")),
        list(Worker.objects.order_by("pk").values_list("job_id", "attempt", "devices", "state")),
        list(Order.objects.filter(verb="START").values_list("backend_id", "devices", "state")),
        list(Event.objects.filter(action="SUBMIT_JOB").values_list("subject", "request", "actor", "token_id")),
    ]


def test_it_writes_the_rows_that_a_tick_writes(ticked: None) -> None:
    make.ready_backend(4)
    make.job(num_devices=3)
    before = transaction.savepoint()
    tick(GROUP)
    by_tick = _rows()
    transaction.savepoint_rollback(before)
    assert try_fast_path(GROUP) is True
    assert _rows() == by_tick
    assert Job.objects.get().status == JobStatus.SUBMITTED


def test_a_job_of_the_fast_path_starts_without_a_message(
    ticked: None, django_capture_on_commit_callbacks: Any, bells: Callable[[], list[str]]
) -> None:
    make.ready_backend(1)
    accelerator = make.sda()
    with django_capture_on_commit_callbacks(execute=True):
        first = make.job(accelerator)
    first.refresh_from_db()
    assert (first.status, bells()) == (JobStatus.SUBMITTED, [])
    with django_capture_on_commit_callbacks(execute=True):
        second = make.job()
    second.refresh_from_db()
    assert (second.status, bells()) == (JobStatus.WAITING, ["scheduler.tasks.tick"])


def test_nothing_is_written_unless_everybody_starts(ticked: None) -> None:
    make.ready_backend(2)
    make.job(num_devices=1)
    make.job(num_devices=2)
    before, queue = _rows(), Queue.objects.values().get()
    assert try_fast_path(GROUP) is False
    assert (_rows(), Queue.objects.values().get()) == (before, queue)


def test_it_is_a_tick_with_an_epoch_of_its_own(ticked: None) -> None:
    make.ready_backend(2)
    make.job()
    paused = acquire(GROUP)
    assert paused is not None
    snapshot = load(GROUP)
    Queue.objects.update(lease_until=db_now() - timedelta(seconds=1), wanted=True)
    assert try_fast_path(GROUP) is True
    queue = Queue.objects.get()
    assert (queue.epoch, queue.lease_until, queue.wanted) == (paused.number + 1, None, False)
    with pytest.raises(LeaseLost):
        apply(paused, snapshot, plan(snapshot))


def test_it_leaves_a_queue_alone_that_somebody_plans(ticked: None) -> None:
    make.ready_backend(1)
    make.job()
    assert acquire(GROUP) is not None
    assert try_fast_path(GROUP) is False
    assert Job.objects.get().status == JobStatus.WAITING


def test_a_queue_that_nobody_has_planned_a_long_one_and_a_limit_are_for_a_tick(db: None) -> None:
    for _ in range(2):
        make.ready_backend(32)
    owner = make.token(max_devices=1, max_duplicates=0)
    accelerator = make.sda(owner=owner)
    make.job(accelerator)
    assert try_fast_path(GROUP) is False  # no row of the queue to lock yet
    tick(GROUP)
    make.job(accelerator)
    assert try_fast_path(GROUP) is False  # the token may hold one device
    update_token(owner, max_devices=None, actor=make.ACTOR)
    assert try_fast_path(GROUP) is True
    for _ in range(33):
        make.job(accelerator)
    assert try_fast_path(GROUP) is False


def test_an_error_costs_the_fast_path_and_not_the_job(ticked: None) -> None:
    make.ready_backend(1)
    job = make.job()
    Device.objects.update(status=DeviceStatus.PREPARING)
    make.sql("UPDATE backends_room SET idle = 1")  # wrong: the device is not free
    assert try_fast_path(GROUP) is False
    job.refresh_from_db()
    assert (job.status, Allocation.objects.count()) == (JobStatus.WAITING, 0)


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_the_lock_of_a_queue() -> None:
    tick(GROUP)
    make.ready_backend(1)
    accelerator = make.sda()
    with transaction.atomic():
        Queue.objects.select_for_update().get(pk=GROUP)
        with ThreadPoolExecutor(1) as other:
            job = other.submit(_ask, accelerator).result(timeout=10)
    assert job.status == JobStatus.WAITING
    assert try_fast_path(GROUP) is True
    assert Job.objects.get().status == JobStatus.SUBMITTED


def _ask(accelerator: Sda) -> Job:
    try:
        job = make.job(accelerator)
        job.refresh_from_db()
        return job
    finally:
        connection.close()
