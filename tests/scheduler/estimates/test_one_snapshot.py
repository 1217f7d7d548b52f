"""Estimates, dry runs and what-if read one moment, and an error costs one look."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection, transaction

from backends.services.groups import update_backend_group
from core.clock import db_now
from core.snapshot import Overtaken, decided_at_one_moment, one_snapshot
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.estimates.start_estimates import estimates, refresh_estimates
from scheduler.estimates.what_if import ProposedChange, evaluate
from scheduler.models import Job
from scheduler.policy.what_if import WhatIfChange
from scheduler.services.jobs import finish_job, preempt_job
from scheduler.work import refresh_all_estimates
from tests import make
from tests.scheduler.estimates.change import evaluate_group

pytestmark = pytest.mark.django_db(transaction=True)


def _in_own_connection(call: Callable[[], object]) -> object:
    try:
        return call()
    finally:
        connection.close()


def _elsewhere(call: Callable[[], object]) -> None:
    """Do something in another connection, and commit it."""

    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        other.submit(run).result(30)


def test_what_is_committed_meanwhile_is_not_seen_until_the_block_is_over() -> None:
    make.ready_backend(1)
    job = make.job()
    with one_snapshot():
        assert Job.objects.get(pk=job.pk).status == "WAITING"
        _elsewhere(lambda: tick(0))
        assert Job.objects.get(pk=job.pk).status == "WAITING"
    assert Job.objects.get(pk=job.pk).status == "SUBMITTED"


@pytest.mark.only_postgresql
def test_nothing_is_written_in_it() -> None:
    job = make.job()
    with pytest.raises(DatabaseError, match="read-only"), one_snapshot():
        Job.objects.filter(pk=job.pk).update(priority=3)
    Job.objects.filter(pk=job.pk).update(priority=3)
    assert Job.objects.get(pk=job.pk).priority == 3


@pytest.mark.only_sqlite
def test_who_writes_meanwhile_is_not_waited_for() -> None:
    job = make.job()
    with one_snapshot():
        assert Job.objects.count() == 1
        _elsewhere(lambda: Job.objects.filter(pk=job.pk).update(priority=3))
    assert Job.objects.get(pk=job.pk).priority == 3


def test_jobs_that_start_and_end_meanwhile_break_no_estimate_no_dry_run_and_no_what_if() -> None:
    node = make.ready_backend(4)
    owner = make.sda(1, max_duplicates=0)
    for _ in range(6):
        make.job(owner)
    calls: list[Callable[[], object]] = []
    for _ in range(6):
        calls += [
            lambda: refresh_estimates(0),
            lambda: tick(0),
            lambda: dry_run(DryRunParams(owner.token, 1, 0, owner)),
            lambda: make.answer(node),
            lambda: evaluate(ProposedChange(drain={node.pk: 0})),
            lambda: evaluate_group(0, WhatIfChange()),
            _end_one,
            lambda: cache.delete("outlook:0:turn"),
        ]

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(run, calls))


def _end_one() -> None:
    job = Job.objects.filter(status="RUNNING").first()
    if job:
        finish_job(job, exit_code=0, actor=make.ACTOR)


def test_a_failed_estimate_costs_its_group_one_estimate_and_others_none(monkeypatch: pytest.MonkeyPatch) -> None:
    make.ready_backend(1)
    job = make.job()
    cache.clear()
    monkeypatch.setattr("scheduler.estimates.start_estimates.FRESH_S", 0)
    monkeypatch.setattr("scheduler.estimates.start_estimates.REST", 0)
    with monkeypatch.context() as broken:
        broken.setattr("scheduler.estimates.start_estimates.DEADLINE_S", "for ever")
        with pytest.raises(TypeError):
            refresh_estimates(0)
        refresh_all_estimates()
    refresh_estimates(0)
    assert list(estimates([0])) == [job.pk]
    cache.clear()


@pytest.mark.only_postgresql
def test_a_preemption_is_decided_by_one_moment() -> None:
    """One of two jobs on a node is to leave; that the other one is, too, and that nobody wants it, comes together."""
    update_backend_group(make.default_group(), preempt=True, min_run_s=0, actor=make.ACTOR)
    node = make.ready_backend(2)
    mine, other = make.running_job(node), make.running_job(node)
    high = make.job(make.sda(2, owner=make.token(priority=5)))
    Job.objects.filter(pk=mine.pk).update(preempt_at=db_now(), preempted_by=high.pk)
    locked, commit = Event(), Event()

    def change() -> None:
        with transaction.atomic():
            make.sql("LOCK TABLE scheduler_allocation IN ACCESS EXCLUSIVE MODE")
            locked.set()
            commit.wait(10)
            Job.objects.filter(pk=other.pk).update(preempt_at=db_now(), preempted_by=high.pk)
            Job.objects.filter(pk=high.pk).update(status="CANCELED", ended_at=db_now())

    with ThreadPoolExecutor(2) as threads:
        changing = threads.submit(_in_own_connection, change)
        assert locked.wait(10)
        preempting = threads.submit(_in_own_connection, lambda: preempt_job(mine.pk))
        make.wait_for(lambda: make.sql("SELECT FROM pg_locks WHERE NOT granted") > 0)
        commit.set()
        assert (changing.result(10), preempting.result(10)) == (None, False)
    mine.refresh_from_db()
    assert (mine.status, mine.preempt_at) == ("RUNNING", None)


@pytest.mark.only_postgresql
def test_who_is_overtaken_while_he_decides_writes_nothing() -> None:
    job = make.job()

    def decide() -> None:
        with decided_at_one_moment():
            assert Job.objects.count() == 1
            _elsewhere(lambda: Job.objects.filter(pk=job.pk).update(priority=3))
            Job.objects.filter(pk=job.pk).update(priority=4)

    with pytest.raises(Overtaken):
        decide()
    assert Job.objects.get(pk=job.pk).priority == 3
