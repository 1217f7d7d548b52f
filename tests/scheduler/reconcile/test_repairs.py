"""What a repair does in detail: to devices of reservations, to jobs, bills, notices and queues."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db.models import F

from backends.choices import DeviceStatus
from backends.models import Device, Order
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Queue
from scheduler.reconcile import reconcile
from scheduler.reconcile.checks import Inconsistency
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.signals import queue_changed
from tests import make
from tests.scheduler.reconcile.consistency import World, make_world
from tests.scheduler.reconcile.test_consistency import LONG_AGO, _headless
from tests.transitions import unchecked

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def test_a_device_of_a_reservation_follows_the_job_on_it(world: World) -> None:
    with unchecked():
        Device.objects.filter(backend=world.rest, index=0).update(status=DeviceStatus.IDLE)
    reconcile()
    assert make.statuses(world.rest) == ["PROCESSING", "PROCESSING"]


def test_an_order_of_another_verb_is_no_start_order_of_a_worker(world: World) -> None:
    job = make.job()
    cancel_job(world.waiting, cause=Cause.BY_USER, actor=make.ACTOR)
    tick(0)
    assert reconcile() == []
    assert Order.objects.filter(verb="START", settled_at=None).update(verb="CHECK") == 1
    assert reconcile() == [Inconsistency(f"job/{job.pk}", "nobody had been told to start its worker")]


OUT = {"shut down": ("SHUTDOWN", "OPERATOR"), "kept out": ("BUSY", "")}


@pytest.mark.parametrize("case", OUT)
def test_what_was_taken_out_under_a_job_leaves_when_the_job_has_ended(world: World, case: str) -> None:
    status, why = OUT[case]
    device = Device.objects.filter(backend=world.one, index=0)
    with unchecked():
        device.update(status=status, why=why)
    assert reconcile() == [Inconsistency(f"device/{device.get().pk}", f"{status}, but a job held it")]
    assert device.values_list("status", "why", "drain_to").get() == ("PROCESSING", "", status)
    assert Job.objects.get(pk=world.job.pk).status == JobStatus.RUNNING
    finish_job(world.job, exit_code=0, actor=make.ACTOR)
    make.answer(world.one)
    assert device.values_list("status", "why", "drain_to").get() == (status, why, "")
    assert reconcile() == []


@pytest.mark.parametrize("case", OUT)
def test_a_free_device_that_was_to_leave_is_taken_out_as_an_operator_would(world: World, case: str) -> None:
    status, why = OUT[case]
    device = Device.objects.filter(backend=world.spare)
    device.update(drain_to=status)
    assert reconcile() == [Inconsistency(f"device/{device.get().pk}", f"IDLE, but it was to be {status}")]
    assert device.values_list("status", "why", "drain_to").get() == (status, why, "")


def test_a_job_that_waits_again_begins_anew_and_what_it_had_is_billed_as_it_was(world: World) -> None:
    before = Job.objects.get(pk=world.job.pk)
    Job.objects.filter(pk=before.pk).update(status=JobStatus.WAITING)
    reconcile()
    after = Job.objects.get(pk=before.pk)
    assert (after.attempt, after.revision) == (before.attempt + 1, before.revision + 1)
    assert (after.submitted_at, after.started_at) == (None, None)
    noted = Allocation.objects.filter(job=before).values_list("sda_model", "group", "ready_at", "started_at")
    assert list(noted) == [(before.sda.model_id, 0, before.started_at, before.submitted_at)] * 4


def test_the_billing_of_a_job_that_ended_before_it_held_anything_is_nothing(world: World) -> None:
    Job.objects.filter(pk=world.job.pk).update(status=JobStatus.FAILED, ended_at=LONG_AGO)
    reconcile()
    assert Allocation.objects.filter(job=world.job, ended_at=F("started_at")).count() == 4


def test_a_withdrawn_notice_names_no_job_and_is_sent_to_its_client(world: World) -> None:
    before = Job.objects.get(pk=world.job.pk)
    Job.objects.filter(pk=before.pk).update(preempt_at=LONG_AGO, preempted_by=world.waiting.pk)
    reconcile()
    after = Job.objects.get(pk=before.pk)
    assert (after.preempt_at, after.preempted_by, after.revision) == (None, 0, before.revision + 1)


@contextmanager
def _heard() -> Iterator[list[int]]:
    """Collect the groups whose queues are said to look different."""
    groups: list[int] = []

    def received(*, group_id: int, **_signal: object) -> None:
        groups.append(group_id)

    queue_changed.connect(received)
    try:
        yield groups
    finally:
        queue_changed.disconnect(received)


@pytest.mark.parametrize("case", ["leased by the dead", "headless"])
def test_a_repaired_queue_is_planned_again(world: World, case: str) -> None:
    if case == "headless":
        _headless(world)
    else:
        Queue.objects.update(lease_until=db_now() + 3 * settings.MOREH_TICK_LEASE)
    with _heard() as groups:
        assert [finding.subject for finding in reconcile()] == ["queue/0"]
    assert groups == [0]
