"""The sweep acts only on what is still true when its turn comes, and one row that fails stops none of the others."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from alerts.models import Alert
from backends.choices import DeviceStatus, OrderVerb
from backends.models import Agent, Backend, Device, Order
from backends.services.agents import quarantine
from core.clock import db_now
from scheduler import work
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job, UnknownWorker
from scheduler.reconcile import checks, reconcile
from scheduler.services import cleaning, lost_nodes, workers
from scheduler.services.jobs import finish_job
from scheduler.services.submission import resume_job, resume_key
from tests import make
from tests.scheduler.services.test_agents import _age

pytestmark = pytest.mark.django_db
LONG = timedelta(minutes=10)
Patch = pytest.MonkeyPatch


def _after_the_first(monkeypatch: Patch, place: Any, name: str, happens: Callable[[Any], None]) -> None:
    """Let something happen once after the first call of a function, given what that call was for."""
    real, calls = getattr(place, name), []

    def call(key: Any, *rest: Any, **fields: Any) -> Any:
        result = real(key, *rest, **fields)
        calls.append(key)
        if len(calls) == 1:
            happens(key)
        return result

    call.__name__ = name
    monkeypatch.setattr(place, name, call)


def _status(job: Job) -> tuple[str, str]:
    job.refresh_from_db()
    return job.status, job.cause


def _client_comes_back(job: Job) -> None:
    resume_job(job.token, job.pk, resume_key(job))


def _starts_again(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(submitted_at=db_now())


def _comes_up(job: Job) -> None:
    for order in Order.objects.filter(ref__in=list(job.workers.values_list("pk", flat=True))):
        workers.take_result(order.backend, order.pk, ok=True, address="10.0.0.1:30000")


def _started(node: Backend, *, running: bool) -> Job:
    if running:
        return make.running_job(node)
    job = make.job()
    tick(job.group_id)
    return job


LATE = {
    "its client came back": (True, {"client": LONG}, _client_comes_back, Cause.CLIENT_LOST),
    "it was preempted and started again": (True, {"submitted": LONG}, _starts_again, Cause.TIME_LIMIT),
    "its workers came up": (False, {"submitted": LONG}, _comes_up, Cause.PREPARATION_TIMED_OUT),
}


@pytest.mark.parametrize("case", LATE)
def test_a_job_that_is_late_no_longer_goes_on(monkeypatch: Patch, case: str) -> None:
    running, ago, happens, cause = LATE[case]
    node = make.ready_backend(2)
    late, saved = (_started(node, running=running) for _ in range(2))
    if cause == Cause.TIME_LIMIT:
        Job.objects.update(time_limit=timedelta(minutes=1))
    _age(**ago)
    _after_the_first(monkeypatch, work, "end_job", lambda _pk: happens(saved))
    work.sweep()
    assert _status(late) == (JobStatus.FAILED, cause)
    assert _status(saved) == (JobStatus.RUNNING, "")
    assert reconcile() == []


@pytest.mark.django_db(transaction=True)
def test_a_client_that_comes_back_in_a_transaction_of_its_own_is_waited_for() -> None:
    job = make.running_job(make.ready_backend(1))
    _age(client=LONG)

    def sweep() -> None:
        work.sweep()
        connection.close()

    sweeping = Thread(target=sweep)
    with transaction.atomic():
        _client_comes_back(job)
        sweeping.start()
        sweeping.join(1)
    sweeping.join()
    assert _status(job)[0] == JobStatus.RUNNING


def test_a_device_that_was_cleaned_meanwhile_stays_with_its_new_job(monkeypatch: Patch) -> None:
    nodes = {node.pk: node for node in (make.ready_backend(1), make.ready_backend(1))}
    for job in [_started(node, running=True) for node in nodes.values()]:
        finish_job(job, exit_code=0, actor=make.ACTOR)
    for node in nodes.values():
        make.answer(node, "STOP")
    _age(cleaning=LONG)
    jobs: list[Job] = []

    def clean_the_other(done: int) -> None:
        (other,) = (node for pk, node in nodes.items() if pk != done)
        make.answer(other, "CLEAN")
        jobs.append(make.running_job(other))

    _after_the_first(monkeypatch, work, "quarantine_uncleaned", clean_the_other)
    work.sweep()
    assert _status(jobs[0])[0] == JobStatus.RUNNING
    assert sorted(Device.objects.values_list("status", flat=True)) == [DeviceStatus.PROCESSING, DeviceStatus.SHUTDOWN]
    assert Alert.objects.filter(category="GPU_ERROR").count() == 1
    assert reconcile() == []


def test_a_job_that_got_a_vanished_device_in_between_fails_with_it(monkeypatch: Patch) -> None:
    node = make.ready_backend(2)
    jobs: list[Job] = []

    def start_before(*args: Any, **fields: Any) -> list[int]:
        if not jobs:
            jobs.append(make.job(num_devices=2))
            tick(0)
        return quarantine(*args, **fields)

    monkeypatch.setattr(cleaning, "quarantine", start_before)
    make.hello(node, 1, boot=2)
    assert _status(jobs[0]) == (JobStatus.FAILED, Cause.WORKER_ERROR)
    assert [(device.status, device.why) for device in node.devices.filter(index=1)] == [("SHUTDOWN", "VANISHED")]
    assert reconcile() == []


def test_an_unknown_worker_that_ended_meanwhile_is_not_stopped(monkeypatch: Patch) -> None:
    nodes = [make.ready_backend(1) for _ in range(2)]
    for node in nodes:
        UnknownWorker.objects.create(backend=node, worker_id=99, job_id=9, devices=[0], seen_at=db_now() - 400 * LONG)

    def end_the_others(done: int) -> None:
        UnknownWorker.objects.exclude(backend=done).delete()

    _after_the_first(monkeypatch, work, "stop_overdue_unknown", end_the_others)
    work.sweep()
    assert Order.objects.filter(verb=OrderVerb.STOP).count() == 1


@pytest.mark.parametrize("error", [RuntimeError, IntegrityError])
def test_a_node_that_cannot_be_given_up_stops_nobody_else(monkeypatch: Patch, error: type[Exception]) -> None:
    bad, lost, there = (make.ready_backend(1) for _ in range(3))
    job = make.job(num_devices=3)
    tick(job.group_id)
    _age(client=LONG)
    Agent.objects.exclude(pk=there.pk).update(last_seen=db_now() - LONG)

    def refuse_one(pk: int) -> None:
        if pk == bad.pk:
            raise error(bad.name)
        lost_nodes.lose_backend(pk)

    monkeypatch.setattr(work, "lose_backend", refuse_one)
    waiting = make.job()
    _age(client=LONG)
    work.sweep()
    assert list(Alert.objects.filter(category="NODE_LOST").values_list("subject_id", flat=True)) == [lost.pk]
    assert _status(waiting) == (JobStatus.FAILED, Cause.CLIENT_LOST)


def test_what_cannot_be_repaired_stops_no_other_repair(monkeypatch: Patch) -> None:
    node = make.ready_backend(2)
    make.sql("UPDATE backends_device SET status = 'PROCESSING'")
    first = Device.objects.order_by("pk")[0].pk
    real = checks._repair

    def refuse_one(check: checks.Check, pk: int) -> checks.Inconsistency | None:
        if pk == first:
            raise RuntimeError(pk)
        return real(check, pk)

    monkeypatch.setattr(checks, "_repair", refuse_one)
    found = reconcile()
    assert [inconsistency.subject for inconsistency in found] == [f"device/{first + 1}"]
    assert make.statuses(node) == ["PROCESSING", "CLEANING"]


def test_a_group_whose_tick_fails_stops_no_other_group(monkeypatch: Patch) -> None:
    ticked = []

    def refuse_one(group_id: int) -> None:
        ticked.append(group_id)
        if group_id == 1:
            raise IntegrityError(group_id)

    monkeypatch.setattr(work, "tick", refuse_one)
    monkeypatch.setattr(work, "waited_for", lambda: [1, 2])
    work.tick_all()
    assert ticked == [1, 2]
