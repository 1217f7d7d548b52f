"""One token cannot queue without bound, and its neighbours' jobs start meanwhile."""

from typing import Any

import pytest

from backends.models import Backend
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.errors import TooManyJobs
from scheduler.models import Job
from scheduler.services.jobs import cancel_job, finish_job
from sda.models import Sda
from tests import make

pytestmark = pytest.mark.django_db
MOST = 5


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.MOREH_WAITING_JOBS = MOST


def _flood(sda: Sda) -> int:
    """Ask until it is refused; return how many were taken."""
    taken = 0
    while True:
        try:
            make.job(sda)
        except TooManyJobs:
            return taken
        taken += 1
        assert taken <= MOST


def test_the_waiting_jobs_of_a_token_are_limited_over_all_of_its_sdas() -> None:
    owner = make.token(max_sda_count=2)
    first, second = (make.sda(owner=owner) for _ in range(2))
    known = make.job(first, request_id="known")
    assert _flood(second) == MOST - 1
    assert _flood(first) == 0
    assert make.job(first, request_id="known") == known
    assert Job.objects.count() == MOST
    assert make.job().status == JobStatus.WAITING
    cancel_job(known, cause=Cause.BY_USER, actor=make.ACTOR)
    assert _flood(first) == 1


def test_jobs_that_run_do_not_count() -> None:
    make.ready_backend(8)
    sda = make.sda(max_duplicates=0)
    for _ in range(8):
        make.job(sda)
        tick(0)
    assert Job.objects.filter(status=JobStatus.SUBMITTED).count() == 8
    assert _flood(sda) == MOST


@pytest.mark.parametrize("policy", ["strict", "backfill", "fair"])
def test_a_neighbour_starts_after_no_more_jobs_of_a_flood_than_may_wait(policy: str) -> None:
    group = make.default_group()
    group.policy = policy
    group.save()
    node = make.ready_backend(1)
    flood, before = make.sda(max_duplicates=0), 0
    _flood(flood)
    neighbour = make.job()
    while Job.objects.get(pk=neighbour.pk).status == JobStatus.WAITING:
        _flood(flood)
        before += _end_whoever_runs(node)
        tick(0)
        assert before <= MOST
    assert before == (MOST if policy != "fair" else 1)


def _end_whoever_runs(node: Backend) -> int:
    ended = 0
    for job in Job.objects.exclude(status=JobStatus.WAITING).filter(ended_at=None):
        make.answer(node, "START")
        ended += finish_job(job, exit_code=0, actor=make.ACTOR)
        make.answer(node)
    return ended
