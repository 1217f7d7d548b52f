"""Preemption, and the usage that only fair groups count, from rows to rows."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from backends.choices import DeviceStatus
from backends.services.groups import create_backend_group
from core.clock import db_now
from events.models import Event
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Share
from scheduler.policy.decisions import PendingReason
from scheduler.services.jobs import cancel_job, finish_job, preempt_job
from scheduler.work import sweep
from tests import make
from tests.scheduler.cycle.test_policies import rule, run, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def pressed() -> tuple[Job, Job]:
    """A running job of priority 0 and one of priority 5 that wants its devices."""
    make.ready_backend(2)
    rule(preempt=True, min_run_s=0, notice_s=60)
    low = run(make.job(num_devices=2))
    return low, make.job(make.sda(2, owner=make.token(priority=5)))


def test_preemption_gives_notice_first_then_takes_and_queues_again(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    tick(high.group_id)
    assert state_of(high) == ("WAITING", PendingReason.NOT_ENOUGH_DEVICES, 2, 0)
    low.refresh_from_db()
    assert (low.status, low.preempted_by) == (JobStatus.RUNNING, high.pk)
    assert low.preempt_at is not None
    assert timedelta(seconds=55) < low.preempt_at - db_now() <= timedelta(seconds=60)
    sweep()
    assert state_of(low)[0] == JobStatus.RUNNING
    Job.objects.filter(pk=low.pk).update(preempt_at=db_now())
    sweep()
    low.refresh_from_db()
    assert (low.status, low.attempt) == (JobStatus.WAITING, 2)
    assert [low.preempt_at, low.submitted_at, low.started_at] == [None] * 3
    assert Allocation.objects.filter(job=low, ended_at=None).count() == 0
    node = Allocation.objects.filter(job=low)[0].device.backend
    assert set(make.statuses(node)) == {DeviceStatus.CLEANING}
    make.answer(node)
    tick(high.group_id)
    assert state_of(high)[0] == JobStatus.SUBMITTED
    assert state_of(low)[:2] == ("WAITING", PendingReason.NOT_ENOUGH_DEVICES)
    actions = list(Event.objects.filter(subject=f"job/{low.pk}").order_by("id").values_list("action", flat=True))
    assert actions == ["CREATE_JOB", "SUBMIT_JOB", "START_JOB", "NOTICE_JOB", "PREEMPT_JOB"]


def test_a_job_keeps_its_devices_when_nobody_waits_for_them_any_more(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    tick(high.group_id)
    cancel_job(high, cause=Cause.BY_USER, actor=make.ACTOR)
    Job.objects.filter(pk=low.pk).update(preempt_at=db_now())
    sweep()
    low.refresh_from_db()
    assert (low.status, low.attempt) == (JobStatus.RUNNING, 1)
    assert (low.preempt_at, low.preempted_by) == (None, 0)
    assert Allocation.objects.filter(job=low, ended_at=None).count() == 2
    assert Event.objects.filter(action="KEEP_JOB", subject=f"job/{low.pk}").count() == 1


def _end_of_the_wait(high: Job) -> None:
    cancel_job(high, cause=Cause.BY_USER, actor=make.ACTOR)


CAUSES_THAT_ARE_GONE: dict[str, Callable[[Job], object]] = {
    "preemption is switched off": lambda _high: rule(preempt=False),
    "the group drains": lambda _high: rule(draining=True),
    "the waiting job is cancelled": _end_of_the_wait,
}


@pytest.mark.parametrize("change", CAUSES_THAT_ARE_GONE)
def test_a_notice_is_withdrawn_as_soon_as_its_cause_is_gone(change: str, pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    tick(high.group_id)
    low.refresh_from_db()
    assert low.preempted_by == high.pk
    CAUSES_THAT_ARE_GONE[change](high)
    tick(high.group_id)
    low.refresh_from_db()
    assert (low.status, low.preempt_at, low.preempted_by) == (JobStatus.RUNNING, None, 0)
    assert Event.objects.filter(subject=f"job/{low.pk}").order_by("pk").last().action == "KEEP_JOB"  # type: ignore[union-attr]


def test_nothing_is_taken_after_preemption_was_switched_off_even_before_a_tick(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    tick(high.group_id)
    rule(preempt=False)
    Job.objects.filter(pk=low.pk).update(preempt_at=db_now())
    assert preempt_job(low.pk) is False
    low.refresh_from_db()
    assert (low.status, low.preempt_at, low.preempted_by) == (JobStatus.RUNNING, None, 0)


def test_a_job_on_a_node_that_has_moved_leaves_for_the_queue_of_its_new_group(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    elsewhere = create_backend_group(name="elsewhere", actor=make.ACTOR)
    Job.objects.filter(pk=low.pk).update(group=elsewhere)  # it started there, before its node came here
    tick(high.group_id)
    Job.objects.filter(pk=low.pk).update(preempt_at=db_now())
    assert preempt_job(low.pk) is True
    assert state_of(low)[0] == JobStatus.WAITING


def test_a_job_under_notice_keeps_its_devices_until_the_notice_is_over(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    tick(high.group_id)
    assert preempt_job(low.pk) is False
    assert state_of(low)[0] == JobStatus.RUNNING


def test_no_job_gets_notice_within_its_minimum_run_time_or_twice(pressed: tuple[Job, Job]) -> None:
    low, high = pressed
    rule(min_run_s=600)
    tick(high.group_id)
    low.refresh_from_db()
    assert low.preempt_at is None
    rule(min_run_s=0)
    tick(high.group_id)
    low.refresh_from_db()
    first = low.preempt_at
    tick(high.group_id)
    low.refresh_from_db()
    assert low.preempt_at == first
    assert Event.objects.filter(action="NOTICE_JOB").count() == 1


def test_only_a_fair_group_counts_use(pressed: tuple[Job, Job]) -> None:
    low, _high = pressed
    finish_job(low, exit_code=0, actor=make.ACTOR)
    assert not Share.objects.exists()
