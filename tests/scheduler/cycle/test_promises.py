"""What the scheduler promises holds from tick to tick, in rows: to heads, and to those who might have to leave."""

from datetime import timedelta

import pytest
from django.core.cache import cache

from backends.models import Backend
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.estimates.runtime_history import expected_runs
from scheduler.estimates.start_estimates import estimates, refresh_estimates
from scheduler.models import Job, Queue
from scheduler.policy.decisions import PendingReason
from scheduler.policy.forecast import forecast
from scheduler.services.jobs import cancel_job, finish_job, preempt_job, set_job_priority
from scheduler.services.nodes import drain_backend
from scheduler.services.sdas import create_sda
from scheduler.work import sweep
from tests import make
from tests.scheduler.cycle.test_policies import rule, run, state_of

pytestmark = pytest.mark.django_db


def test_who_has_been_at_the_head_is_forgotten_when_it_starts_or_is_gone() -> None:
    node = make.ready_backend(2)
    rule(policy="backfill")
    holder = run(make.job(num_devices=2))
    first, second = make.job(num_devices=2), make.job(num_devices=1)
    tick(first.group_id)
    assert list(Queue.objects.get().heads) == [str(first.pk)]
    set_job_priority(second, 5, actor=make.ACTOR)
    tick(first.group_id)
    assert set(Queue.objects.get().heads) == {str(first.pk), str(second.pk)}
    cancel_job(second, cause=Cause.BY_USER, actor=make.ACTOR)
    tick(first.group_id)
    assert list(Queue.objects.get().heads) == [str(first.pk)]
    finish_job(holder, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    tick(first.group_id)
    assert state_of(first)[0] == JobStatus.SUBMITTED
    assert Queue.objects.get().heads == {}


def test_nobody_takes_what_the_head_is_promised_while_it_is_being_cleaned() -> None:
    """When a job of two has ended, these are cleaned; with the two that are free they are the head's."""
    node = make.ready_backend(8)
    rule(policy="backfill")
    ends = run(make.job(num_devices=2, time_limit=timedelta(seconds=600)))
    run(make.job(num_devices=4, time_limit=timedelta(seconds=3600)))
    head, other = make.job(num_devices=4), make.job(num_devices=2)
    tick(head.group_id)
    finish_job(ends, exit_code=0, actor=make.ACTOR)
    tick(head.group_id)
    assert state_of(other) == ("WAITING", PendingReason.BLOCKED_BY_HEAD, 2, 0)
    make.answer(node)
    tick(head.group_id)
    assert (state_of(head)[0], state_of(other)[0]) == (JobStatus.SUBMITTED, JobStatus.WAITING)


def _cleaned_for_a_reserved_sda(node: Backend, devices: int = 4) -> None:
    """Let a job on a reserved SDA end; its devices are cleaned, and the reserved SDA keeps them."""
    sda = create_sda(make.token(), make.sda_model(devices), reserved=True, actor=make.ACTOR)
    job = make.job(sda)
    tick(job.group_id)
    make.answer(node, "START")
    finish_job(job, exit_code=0, actor=make.ACTOR)


def test_what_is_cleaned_for_a_reserved_sda_is_expected_by_nobody() -> None:
    node = make.ready_backend(8)
    _cleaned_for_a_reserved_sda(node)
    job = make.job(num_devices=8)
    tick(job.group_id)
    snapshot = load(job.group_id, everyone=True)
    assert [(node.free.bit_count(), node.coming) for node in snapshot.nodes] == [(4, 0)]
    assert forecast(snapshot, expected_runs(snapshot)).starts.get(job.pk) is None
    assert dry_run(DryRunParams(make.token(), 8, job.group_id)).start is None


def test_what_is_cleaned_for_a_reserved_sda_is_promised_to_no_head() -> None:
    node = make.ready_backend(8)
    rule(policy="backfill", guard_s=3600)
    _cleaned_for_a_reserved_sda(node)
    head, small = make.job(num_devices=8), make.job(num_devices=1)
    tick(head.group_id)
    assert (state_of(head)[0], state_of(small)[0]) == (JobStatus.WAITING, JobStatus.SUBMITTED)


def test_what_is_cleaned_for_a_reserved_sda_spares_no_job_of_lower_priority() -> None:
    node = make.ready_backend(8)
    rule(preempt=True, min_run_s=0, notice_s=0)
    low = run(make.job(num_devices=4))
    _cleaned_for_a_reserved_sda(node)
    high = make.job(make.sda(4, owner=make.token(priority=50)))
    tick(high.group_id)
    low.refresh_from_db()
    assert low.preempted_by == high.pk
    assert preempt_job(low.pk)  # and its notice is not withdrawn at the end of it
    assert state_of(low)[0] == JobStatus.WAITING


def test_nobody_is_preempted_for_devices_that_drain() -> None:
    node = make.ready_backend(4)
    rule(preempt=True, min_run_s=0)
    low = run(make.job(num_devices=4))
    drain_backend(node, actor=make.ACTOR)
    high = make.job(make.sda(4, owner=make.token(priority=9)))
    tick(high.group_id)
    assert state_of(high) == ("WAITING", PendingReason.NOT_ENOUGH_DEVICES, 4, 0)
    low.refresh_from_db()
    assert (low.status, low.preempt_at) == (JobStatus.RUNNING, None)


def test_a_job_keeps_its_devices_when_they_drain_since_the_notice() -> None:
    make.ready_backend(2)
    rule(preempt=True, min_run_s=0, notice_s=60)
    low = run(make.job(num_devices=2))
    high = make.job(make.sda(2, owner=make.token(priority=5)))
    tick(high.group_id)
    drain_backend(Backend.objects.get(), actor=make.ACTOR)
    Job.objects.filter(pk=low.pk).update(preempt_at=db_now())
    sweep()
    low.refresh_from_db()
    assert (low.status, low.attempt, low.preempt_at) == (JobStatus.RUNNING, 1, None)
    tick(high.group_id)
    low.refresh_from_db()
    assert low.preempt_at is None


def test_who_waits_for_devices_that_drain_is_promised_nothing() -> None:
    cache.clear()
    node = make.ready_backend(2)
    run(make.job(num_devices=2, time_limit=timedelta(seconds=600)))
    waiting = make.job(num_devices=2)
    refresh_estimates(waiting.group_id)
    assert set(estimates([waiting.group_id])) == {waiting.pk}
    drain_backend(node, actor=make.ACTOR)
    cache.clear()
    refresh_estimates(waiting.group_id)
    assert estimates([waiting.group_id]) == {}


def test_who_waits_for_a_job_that_should_have_ended_is_promised_nothing() -> None:
    cache.clear()
    make.ready_backend(2)
    late = run(make.job(num_devices=2, time_limit=timedelta(seconds=600)))
    Job.objects.filter(pk=late.pk).update(submitted_at=db_now() - timedelta(seconds=601))
    late.allocations.update(started_at=db_now() - timedelta(seconds=601))
    waiting = make.job(num_devices=2)
    refresh_estimates(waiting.group_id)
    assert estimates([waiting.group_id]) == {}
