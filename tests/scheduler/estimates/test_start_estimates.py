"""Estimated starts from rows, and what-if answers that come true."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from backends.choices import DeviceStatus
from backends.services.devices import set_device_status
from backends.services.groups import create_backend_group
from console.live.topics import read_pulse
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.estimates.runtime_history import ExpectedRun, RuntimeHistory, expected_runs, runtime_history
from scheduler.estimates.start_estimates import _steady, estimates, refresh_estimates
from scheduler.models import Allocation, Job
from scheduler.policy.forecast import Basis, Expected, Start
from scheduler.policy.what_if import Effect, WhatIfChange
from scheduler.services.jobs import cancel_job, finish_job, set_job_priority
from scheduler.services.sdas import create_sda
from sda.models import Sda
from tests import make
from tests.scheduler.estimates.change import evaluate_group
from tests.transitions import unchecked

pytestmark = pytest.mark.django_db
EXPECTATIONS = {
    "the median of those before": (0, None, ExpectedRun(300)),
    "of those that ran for longer": (250, None, ExpectedRun(50)),
    "longer than any before: nobody knows": (400, None, None),
    "a limit that is far away": (0, 1000, ExpectedRun(300)),
    "a limit just as long": (0, 300, ExpectedRun(300)),
    "never longer than the limit": (0, 200, ExpectedRun(200, limited=True)),
    "the limit alone": (400, 1000, ExpectedRun(600, limited=True)),
    "its limit is over at this moment: nobody knows": (300, 300, None),
    "past its limit: nobody knows": (400, 300, None),
}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.mark.parametrize("case", EXPECTATIONS)
def test_how_much_longer_a_job_is_expected_to_run(case: str) -> None:
    ran_ms, limit_ms, wanted = EXPECTATIONS[case]
    assert RuntimeHistory({(1, 2): [100, 300, 400]}).expect((1, 2), ran_ms, limit_ms) == wanted


def past(accelerator: Sda, seconds: int) -> None:
    """A job of this SDA that held its devices for so long."""
    job = make.job(accelerator)
    end = db_now() - timedelta(hours=1)
    start = end - timedelta(seconds=seconds)
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.COMPLETED, requested_at=start, submitted_at=start, started_at=start, ended_at=end
    )


def running(accelerator: Sda, seconds: int, **ask: Any) -> Job:
    """A job of this SDA that has held its devices for so long."""
    job = make.job(accelerator, **ask)
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
    refresh_estimates(waiting.group_id)
    estimate = estimates([waiting.group_id])[waiting.pk]
    assert (estimate.at - db_now()).total_seconds() == pytest.approx(60, abs=5)
    assert estimate.basis == Basis.HISTORY


def test_runtime_history_is_of_the_latest_completed_jobs_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = make.sda(2, max_duplicates=0)
    kind = (mine.token_id, 2)
    for seconds in (100, 50, 70, 900):
        past(mine, seconds)
    oldest, _latest, elsewhere, failed = Job.objects.order_by("pk")
    Job.objects.filter(pk=oldest.pk).update(ended_at=F("ended_at") - timedelta(minutes=1))
    Job.objects.filter(pk=elsewhere.pk).update(group=create_backend_group(name="other", actor=make.ACTOR))
    with unchecked():
        Job.objects.filter(pk=failed.pk).update(status=JobStatus.FAILED)
    assert runtime_history(0) == RuntimeHistory({kind: [50_000, 40_000]})
    monkeypatch.setattr("scheduler.estimates.runtime_history.LATEST", 1)
    assert runtime_history(0) == RuntimeHistory({kind: [50_000]})


def test_of_a_reservation_nobody_expects_that_it_ends() -> None:
    make.ready_backend(2)
    sda = create_sda(make.token(), make.sda_model(2), reserved=True, actor=make.ACTOR)
    past(sda, 900)
    assert [one.fixed for one in load(0, everyone=True).running] == [True]
    assert expected_runs(load(0, everyone=True)) == Expected({}, {})


NOW_MS = 1_000_000
REPORTED = {  # the cached estimate, the new one, and whether the cached one stays
    "it moved by five seconds": ((NOW_MS + 10_000, "HISTORY"), Start(NOW_MS + 15_000, (), Basis.HISTORY), True),
    "it moved by more": ((NOW_MS + 10_000, "HISTORY"), Start(NOW_MS + 15_001, (), Basis.HISTORY), False),
    "far away, it moved by a twentieth": (
        (NOW_MS + 1_050_000, "HISTORY"),
        Start(NOW_MS + 1_000_000, (), Basis.HISTORY),
        True,
    ),
    "far away, it moved by more": (
        (NOW_MS + 1_050_001, "HISTORY"),
        Start(NOW_MS + 1_000_000, (), Basis.HISTORY),
        False,
    ),
    "it rests on something else": ((NOW_MS + 10_000, "HISTORY"), Start(NOW_MS + 10_000, (), Basis.LIMITS), False),
    "it has passed": ((NOW_MS - 1, "HISTORY"), Start(NOW_MS + 1, (), Basis.HISTORY), False),
    "it is now": ((NOW_MS, "HISTORY"), Start(NOW_MS + 1, (), Basis.HISTORY), True),
    "nothing was told": (None, Start(NOW_MS, (), Basis.FREE), False),
}


@pytest.mark.parametrize("case", REPORTED)
def test_an_estimate_stays_as_long_as_it_is_about_right(case: str) -> None:
    before, start, stays = REPORTED[case]
    assert _steady(before, start, NOW_MS) == (before if stays else (start.at_ms, start.basis.value))


def test_after_a_long_estimate_the_next_one_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.estimates.start_estimates.FRESH_S", 0)
    monkeypatch.setattr("scheduler.estimates.start_estimates.REST", 0)
    refresh_estimates(0)
    assert cache.get("outlook:0:turn") is None
    monkeypatch.setattr("scheduler.estimates.start_estimates.REST", 100_000)
    refresh_estimates(0)
    assert cache.get("outlook:0:turn") == 1


def test_without_history_nobody_knows() -> None:
    make.ready_backend(1)
    running(make.sda(max_duplicates=0), 40)
    waiting = make.job()
    refresh_estimates(waiting.group_id)
    assert estimates([waiting.group_id]) == {}


def test_a_time_limit_gives_the_latest_start() -> None:
    make.ready_backend(1)
    running(make.sda(max_duplicates=0), 40, time_limit=timedelta(seconds=100))
    waiting = make.job()
    refresh_estimates(waiting.group_id)
    estimate = estimates([waiting.group_id])[waiting.pk]
    assert estimate.basis == Basis.LIMITS
    assert (estimate.at - db_now()).total_seconds() == pytest.approx(60, abs=5)


def test_estimates_are_made_once_for_many_who_ask_and_stay_as_they_are_while_they_are_about_right() -> None:
    make.ready_backend(1)
    waiting = make.job()
    refresh_estimates(waiting.group_id)
    first = estimates([waiting.group_id])
    assert first[waiting.pk].basis == Basis.FREE
    other = make.job()
    refresh_estimates(waiting.group_id)
    assert estimates([waiting.group_id]) == first  # it is not its turn yet
    cache.delete(f"outlook:{waiting.group_id}:turn")
    refresh_estimates(waiting.group_id)
    again = estimates([waiting.group_id])
    assert set(again) == {waiting.pk}  # how long the first one runs is not known
    assert other.pk not in again


def test_an_estimate_that_changes_a_little_is_not_sent_again() -> None:
    make.ready_backend(1)
    holder = running(make.sda(max_duplicates=0), 40, time_limit=timedelta(seconds=100))
    waiting = make.job()
    refresh_estimates(waiting.group_id)
    first = estimates([waiting.group_id])
    for seconds, steady in ((102, True), (200, False)):
        Job.objects.filter(pk=holder.pk).update(time_limit=timedelta(seconds=seconds))
        cache.delete(f"outlook:{waiting.group_id}:turn")
        sign = read_pulse()["jobs"]
        refresh_estimates(waiting.group_id)
        assert (estimates([waiting.group_id]) == first) is steady
        assert (read_pulse()["jobs"] == sign) is steady  # pages that show jobs hear of news, and of nothing else


def test_estimates_take_as_many_queries_for_50_jobs_as_for_5() -> None:
    make.ready_backend(1)
    running(make.sda(max_duplicates=0), 40)
    counts = []
    for more in (5, 45):
        for _ in range(more):
            make.job()
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            refresh_estimates(0)
        counts.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            estimates([0])
        assert len(queries) == 0
    assert counts[0] == counts[1]


def test_what_if_of_drained_nodes_is_what_happens() -> None:
    one, two = make.ready_backend(2), make.ready_backend(2)
    first, second = make.job(num_devices=2), make.job(num_devices=2)
    effects = evaluate_group(first.group_id, WhatIfChange(drain=frozenset({one.pk})))
    assert [(o.request.id, o.effect, o.after is not None) for o in effects.start_changes] == [
        (first.pk, Effect.SAME, True),
        (second.pk, Effect.STALLS, False),
    ]
    set_device_status(one, DeviceStatus.BUSY, actor=make.ACTOR)
    tick(first.group_id)
    assert list(Allocation.objects.filter(job=first).values_list("device__backend", flat=True)) == [two.pk] * 2
    assert Job.objects.get(pk=second.pk).status == JobStatus.WAITING


def test_what_if_of_a_raised_priority_and_a_cancellation_is_what_happens() -> None:
    node = make.ready_backend(2)
    holder = running(make.sda(2), 1)
    first, second = make.job(num_devices=2), make.job(num_devices=2)
    change = WhatIfChange(priorities={second.pk: 5}, cancel=frozenset({holder.pk}))
    effects = evaluate_group(first.group_id, change)
    assert [(o.request.id, o.effect) for o in effects.start_changes] == [
        (second.pk, Effect.STARTS),
        (first.pk, Effect.SAME),
    ]
    set_job_priority(second, 5, actor=make.ACTOR)
    cancel_job(holder, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    make.answer(node)
    tick(first.group_id)
    assert Job.objects.get(pk=second.pk).status == JobStatus.SUBMITTED
    assert Job.objects.get(pk=first.pk).status == JobStatus.WAITING
    assert finish_job(second, exit_code=0, actor=make.ACTOR)
