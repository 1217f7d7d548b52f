"""Many at once, on the real database: one wins, nobody gets a device twice."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections, connection

from backends.models import Device
from core.errors import DomainError
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from scheduler.services.jobs import finish_job
from scheduler.services.sdas import create_sda
from scheduler.services.submission import JobRequest, submit_job
from tests import make
from usage.invariants import overlapping

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(calls: Iterable[Callable[[], object]]) -> list[object]:
    """Make all calls in threads of their own; return results, and the refusals among them as they are."""

    def run(call: Callable[[], object]) -> object:
        close_old_connections()
        try:
            return call()
        except DomainError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(run, calls))


def test_the_same_request_submitted_eight_times_at_once_is_one_job() -> None:
    sda = make.sda()
    ask = JobRequest(request_id="once", sda_id=sda.pk)
    jobs = _at_once([lambda: submit_job(sda.token, ask, actor=make.ACTOR)] * 8)
    assert {job.pk for job in jobs if isinstance(job, Job)} == {Job.objects.get().pk}
    assert len(jobs) == 8


def test_many_ticks_at_once_place_every_job_once() -> None:
    for _ in range(3):
        make.ready_backend(4)
    jobs = [make.job(num_devices=2) for _ in range(9)]
    _at_once([lambda: tick(0)] * 8)
    assert Job.objects.filter(status=JobStatus.SUBMITTED).count() == 6
    assert Allocation.objects.filter(ended_at=None).count() == 12 == Device.objects.filter(status="PREPARING").count()
    assert len(jobs) == 9
    assert reconcile() == []


def test_jobs_that_end_arrive_and_tick_at_once_keep_the_invariants() -> None:
    node = make.ready_backend(8)
    jobs = [make.running_job(node) for _ in range(6)]
    sdas = [make.sda() for _ in range(6)]
    calls: list[Callable[[], object]] = []
    for job, sda in zip(jobs, sdas, strict=True):
        calls += [lambda job=job: finish_job(job, exit_code=0, actor=make.ACTOR), lambda: tick(0)]  # type: ignore[misc]
        calls += [lambda sda=sda: make.job(sda), lambda: make.answer(node)]  # type: ignore[misc]
    refused = [result for result in _at_once(calls) if isinstance(result, DomainError)]
    assert refused == []
    for _ in range(3):
        tick(0)
        make.answer(node)
    assert Job.objects.filter(status=JobStatus.COMPLETED).count() == 6
    assert Job.objects.filter(status=JobStatus.RUNNING).count() == 6
    assert (reconcile(), list(overlapping())) == ([], [])


def test_two_reservations_of_the_last_devices_give_one() -> None:
    make.ready_backend(4)
    model = make.sda_model(3)
    owners = [make.token() for _ in range(4)]
    results = _at_once(
        [lambda owner=owner: create_sda(owner, model, reserved=True, actor=make.ACTOR) for owner in owners]  # type: ignore[misc]
    )
    assert sum(not isinstance(result, DomainError) for result in results) == 1
    assert Allocation.objects.count() == 3
