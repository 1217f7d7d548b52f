"""Estimated starts from rows, and what-if answers that come true."""

from datetime import timedelta

import pytest
from django.core.cache import cache

from backends.choices import DeviceStatus
from backends.services.devices import set_device_status
from moreh_cloud.lib.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.models import Allocation, Job
from scheduler.outlook import Habits, answer, estimated_starts
from scheduler.policy.whatif import Change, Effect
from scheduler.services.jobs import cancel_job, finish_job, set_job_priority
from scheduler.tick import tick
from sda.models import Sda
from tests import make

pytestmark = pytest.mark.django_db
EXPECTATIONS = {
    "the median of those before": (0, None, 300),
    "of those that ran for longer": (250, None, 50),
    "longer than any before: nobody knows": (400, None, None),
    "never longer than the limit": (0, 200, 200),
    "the limit alone": (400, 1000, 600),
    "past its limit": (400, 300, 0),
}


@pytest.fixture(autouse=True)
def _nothing_cached() -> None:
    cache.clear()


@pytest.mark.parametrize("case", EXPECTATIONS)
def test_how_much_longer_a_job_is_expected_to_run(case: str) -> None:
    ran_ms, limit_ms, wanted = EXPECTATIONS[case]
    assert Habits({(1, 2): [100, 300, 400]}).expect((1, 2), ran_ms, limit_ms) == wanted


def past(accelerator: Sda, seconds: int) -> None:
    """A job of this SDA that held its devices for so long."""
    job = make.job(accelerator)
    end = db_now() - timedelta(hours=1)
    start = end - timedelta(seconds=seconds)
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.COMPLETED, requested_at=start, submitted_at=start, started_at=start, ended_at=end
    )


def running(accelerator: Sda, seconds: int) -> Job:
    """A job of this SDA that has held its devices for so long."""
    job = make.job(accelerator)
    tick(job.group_id)
    since = db_now() - timedelta(seconds=seconds)
    Allocation.objects.filter(job=job).update(started_at=since)
    Job.objects.filter(pk=job.pk).update(submitted_at=since)
    job.refresh_from_db()
    assert job.status == JobStatus.SUBMITTED
    return job


def test_an_estimate_from_what_such_jobs_did_before() -> None:
    make.ready_backend(2)
    busy, other = make.sda(2, max_duplicates=0), make.sda(1)
    for seconds in (50, 100, 900):
        past(busy, seconds)
    running(busy, 40)
    waiting = make.job(other)
    in_s = (estimated_starts(waiting.group_id)[waiting.pk] - db_now()).total_seconds()
    assert in_s == pytest.approx(60, abs=5)


def test_without_history_nobody_knows() -> None:
    make.ready_backend(1)
    running(make.sda(max_duplicates=0), 40)
    waiting = make.job()
    assert estimated_starts(waiting.group_id) == {}


def test_drained_nodes_as_asked_and_as_done() -> None:
    one, two = make.ready_backend(2), make.ready_backend(2)
    first, second = make.job(num_devices=2), make.job(num_devices=2)
    told = answer(first.group_id, Change(drain=frozenset({one.pk})))
    assert [(o.request.id, o.effect, o.after is not None) for o in told.outcomes] == [
        (first.pk, Effect.SAME, True),
        (second.pk, Effect.STALLS, False),
    ]
    set_device_status(one, DeviceStatus.BUSY, actor=make.ACTOR)
    tick(first.group_id)
    assert list(Allocation.objects.filter(job=first).values_list("device__backend", flat=True)) == [two.pk] * 2
    assert Job.objects.get(pk=second.pk).status == JobStatus.WAITING


def test_a_raised_priority_and_a_cancellation_as_asked_and_as_done() -> None:
    node = make.ready_backend(2)
    holder = running(make.sda(2), 1)
    first, second = make.job(num_devices=2), make.job(num_devices=2)
    change = Change(priorities={second.pk: 5}, cancel=frozenset({holder.pk}))
    told = answer(first.group_id, change)
    assert [(o.request.id, o.effect) for o in told.outcomes] == [(second.pk, Effect.STARTS), (first.pk, Effect.SAME)]
    set_job_priority(second, 5, actor=make.ACTOR)
    cancel_job(holder, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    make.answer(node)
    tick(first.group_id)
    assert Job.objects.get(pk=second.pk).status == JobStatus.SUBMITTED
    assert Job.objects.get(pk=first.pk).status == JobStatus.WAITING
    assert finish_job(second, exit_code=0, actor=make.ACTOR)
