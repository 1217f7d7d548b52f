"""A clock that was set back: what began later than it says ends nevertheless, and nothing is billed twice.

The rows are moved an hour ahead, because no test can set the clock of a server back.
"""

from datetime import datetime, timedelta

import pytest

from backends.models import Backend
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.services.jobs import cancel_job, finish_job, preempt_job
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from tests import make
from tests.scheduler.cycle.test_policies import rule
from usage.intervals import intervals
from usage.invariants import broken_invariants

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def _ahead(job: Job) -> datetime:
    """Let a job have been requested and started in an hour, and return when."""
    at = db_now() + HOUR
    running = {"started_at": at} if job.status == JobStatus.RUNNING else {}
    Job.objects.filter(pk=job.pk).update(requested_at=at, submitted_at=at, **running)
    Allocation.objects.filter(job=job).update(started_at=at)
    job.refresh_from_db()
    return at


def _finish(job: Job, node: Backend) -> Job:
    assert finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    job.refresh_from_db()
    return job


def _next(node: Backend) -> Job:
    """Return a job that has started on a node after another one."""
    assert make.statuses(node) == ["IDLE"]
    return make.running_job(node)


def _times() -> list[tuple[datetime, datetime | None, datetime | None]]:
    return list(Allocation.objects.order_by("pk").values_list("started_at", "ended_at", "clean_at"))


def _billed() -> timedelta:
    now = db_now()
    spans = intervals(now - 9 * HOUR, now + 9 * HOUR)
    return timedelta(milliseconds=sum(span.end_ms - span.start_ms for span in spans if span.end_ms))


def test_a_job_that_began_later_than_now_ends_when_it_began() -> None:
    node = make.ready_backend(1)
    first = make.running_job(node)
    at = _ahead(first)
    assert (_finish(first, node).status, first.ended_at) == (JobStatus.COMPLETED, at)
    assert _times() == [(at, at, at)]
    second = _next(node)
    assert second.submitted_at
    assert second.submitted_at < at - HOUR / 2  # the first one held nothing
    _finish(second, node)
    assert _billed() == second.ended_at - second.submitted_at  # type: ignore[operator]
    assert list(broken_invariants()) == []


def test_a_job_follows_one_that_ended_later_than_now() -> None:
    node = make.ready_backend(1)
    first = _finish(make.running_job(node), node)
    at = db_now() + HOUR
    Job.objects.filter(pk=first.pk).update(ended_at=at)
    Allocation.objects.update(ended_at=at, clean_at=at)
    second = _next(node)
    assert [second.submitted_at, second.started_at] == [at, at]
    assert _finish(second, node).ended_at == at
    assert _billed() == at - first.submitted_at  # type: ignore[operator]
    assert list(broken_invariants()) == []


def test_a_job_that_waits_or_has_not_begun_is_canceled_when_it_was_requested_or_submitted() -> None:
    make.ready_backend(1)
    submitted = make.job()
    tick(submitted.group_id)
    waiting = make.job()
    ahead = [_ahead(submitted), db_now() + HOUR]
    Job.objects.filter(pk=waiting.pk).update(requested_at=ahead[1])
    for job, at in zip((submitted, waiting), ahead, strict=True):
        cancel_job(job, cause=Cause.BY_USER, actor=make.ACTOR)
        job.refresh_from_db()
        assert (job.status, job.ended_at) == (JobStatus.CANCELED, at)
    assert list(broken_invariants()) == []


@pytest.mark.parametrize("again", [True, False])
def test_a_job_that_was_preempted_ends_after_its_earlier_attempts(again: bool) -> None:
    node = make.ready_backend(1)
    rule(preempt=True, min_run_s=0, notice_s=0)
    low = make.running_job(node)
    high = make.job(make.sda(1, owner=make.token(priority=5)))
    tick(high.group_id)
    at = _ahead(low)
    assert preempt_job(low.pk)
    cancel_job(high, cause=Cause.BY_USER, actor=make.ACTOR)
    make.answer(node)
    if again:
        tick(low.group_id)
    cancel_job(low, cause=Cause.BY_USER, actor=make.ACTOR)
    low.refresh_from_db()
    assert low.attempt == 2
    assert low.ended_at in (at, at + timedelta(milliseconds=1))  # no two attempts begin at once
    assert Allocation.objects.filter(job=low).count() == 1 + again
    assert list(broken_invariants()) == []


def test_a_reservation_that_began_later_than_now_is_switched_and_deleted() -> None:
    make.ready_backend(3)
    sda = create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    at = db_now() + HOUR
    Allocation.objects.update(started_at=at)
    switched = switch_model(sda, make.sda_model(2), actor=make.ACTOR)
    delete_sda(switched, actor=make.ACTOR)
    assert [(start, end) for start, end, _clean in _times()] == [(at, at)] * 3
    assert _billed() == timedelta(0)
    assert list(broken_invariants()) == []
