"""Unbilled time: how long jobs waited and devices were cleaned, exact to the millisecond, and never billed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from backends.choices import DeviceStatus
from backends.models import Agent, Device, ManagerPresence
from core.clock import db_now, to_ms
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.services.lost_nodes import lose_backend
from scheduler.services.nodes import delete_backend
from scheduler.services.sdas import create_sda, delete_sda
from scheduler.work import sweep
from sda.models import Sda
from tests import make
from tests.transitions import unchecked
from usage.metering import UnbilledTime, length, without
from usage.queries import usage_of
from usage.unbilled_time import unbilled_times

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE_MS = 60_000
LONG = timedelta(days=1)


def _at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def _waited(
    requested: float,
    got: float | None,
    ended: float | None,
    *,
    devices: int = 1,
    attempt: int = 1,
    sda: Sda | None = None,
) -> Job:
    """Create a job that was requested, got its devices and ended so many minutes after noon."""
    job = make.job(sda, num_devices=devices)
    times: dict[str, Any] = {"requested_at": _at(requested), "submitted_at": None if got is None else _at(got)}
    if ended is not None:
        times |= {"ended_at": _at(ended), "status": JobStatus.CANCELED}
    elif got is not None:
        times |= {"status": JobStatus.RUNNING}
    with unchecked():
        Job.objects.filter(pk=job.pk).update(**times, attempt=attempt)
    return job


def _held(job: Job, device: Device, began: float, ended: float, clean: float | None) -> Allocation:
    return Allocation.objects.create(
        job=job,
        sda=job.sda,
        token=job.token,
        device=device,
        started_at=_at(began),
        ended_at=_at(ended),
        clean_at=None if clean is None else _at(clean),
    )


WAITS: dict[str, tuple[tuple[float, float | None, float | None], int, int]] = {
    "a job that got its devices": ((10, 25, 50), 15, 1),
    "a job that runs now": ((10, 25, None), 15, 1),
    "a job that never got any": ((10, None, 40), 30, 1),
    "a job that still waits": ((10, None, None), 50, 1),
    "a job that waited before the range, and in it": ((-20, 5, 10), 5, 1),
    "a job that waited beyond the range": ((50, 90, 100), 10, 1),
    "a job that waited only before": ((-20, -10, 30), 0, 0),
    "a job that waited only after": ((70, 80, 90), 0, 0),
    "a job that did not wait": ((10, 10, 30), 0, 0),
    "a job that waited until the range began": ((-20, 0, 30), 0, 0),
}


@pytest.mark.parametrize("case", WAITS)
def test_waiting_is_devices_times_time_until_the_placement(case: str) -> None:
    times, minutes, jobs = WAITS[case]
    job = _waited(*times, devices=3)
    found = unbilled_times(NOON, NOON + HOUR)
    assert found == ({job.token_id: UnbilledTime(3 * minutes * MINUTE_MS, jobs)} if jobs else {})
    assert unbilled_times(NOON, NOON + HOUR, [job.token_id]) == found
    assert unbilled_times(NOON, NOON + HOUR, [job.token_id + 1]) == {}


def test_a_job_whose_devices_were_taken_back_waits_again_and_not_meanwhile() -> None:
    first, second = make.backend(2).devices.all()
    job = _waited(0, 50, 58, devices=2, attempt=3)
    for device in (first, second):
        _held(job, device, 10, 20, 20)
        _held(job, device, 35, 40, 40)
        _held(job, device, 50, 58, 58)
    assert unbilled_times(NOON, NOON + HOUR) == {job.token_id: UnbilledTime(2 * (10 + 15 + 10) * MINUTE_MS, 1)}
    assert unbilled_times(_at(12), _at(18)) == {}


def test_the_waits_of_a_token_add_up_by_the_requested_devices() -> None:
    wide = _waited(0, 10, 50, devices=4)
    for number in (1, 2):
        _waited(number, 10, 50, sda=wide.sda, devices=4)
    narrow = make.sda(1, owner=make.token())
    _waited(0, 1, 2, sda=narrow)
    assert unbilled_times(NOON, NOON + HOUR) == {
        wide.token_id: UnbilledTime(4 * (10 + 9 + 8) * MINUTE_MS, 3),
        narrow.token_id: UnbilledTime(MINUTE_MS, 1),
    }


def test_cleaning_is_from_the_end_of_an_allocation_until_its_device_is_free() -> None:
    one, two, three, four = make.backend(4).devices.all()
    with unchecked():
        Device.objects.filter(pk=three.pk).update(status=DeviceStatus.CLEANING)
    job = _waited(0, 0, 60)
    _held(job, one, 0, 20, 25)
    _held(job, two, -10, 0, 3)
    _held(job, three, 0, 55, None)  # still being cleaned
    _held(job, four, 0, 30, None)  # nobody wrote it down
    assert unbilled_times(NOON, NOON + HOUR) == {job.token_id: UnbilledTime(cleaning_ms=(5 + 3 + 5) * MINUTE_MS)}
    assert unbilled_times(_at(22), _at(24)) == {job.token_id: UnbilledTime(cleaning_ms=2 * MINUTE_MS)}


def test_unbilled_time_is_not_in_usage() -> None:
    device = make.backend(1).devices.get()
    job = _waited(0, 30, 40)
    _held(job, device, 30, 40, 45)
    report = usage_of(NOON, NOON + HOUR)
    assert report.total.device_ms == 10 * MINUTE_MS
    assert unbilled_times(NOON, NOON + HOUR) == {job.token_id: UnbilledTime(30 * MINUTE_MS, 1, 5 * MINUTE_MS)}


def test_the_end_of_cleaning_is_stored_when_the_agent_reports_it() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node, num_devices=2)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    assert set(Allocation.objects.values_list("clean_at", flat=True)) == {None}
    make.answer(node)
    job.refresh_from_db()
    (clean,) = set(Allocation.objects.values_list("clean_at", flat=True))
    times = to_ms(clean) - to_ms(job.ended_at)  # type: ignore[arg-type]
    waited = to_ms(job.submitted_at) - to_ms(job.requested_at)  # type: ignore[arg-type]
    found = unbilled_times(db_now() - LONG, db_now() + LONG)[job.token_id]
    assert (found.waiting_ms, found.cleaning_ms) == (2 * waited, 2 * times)


def test_a_device_that_is_cleaned_again_leaves_what_was_written_down() -> None:
    node = make.ready_backend(1)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    make.answer(node)
    first = Allocation.objects.get()
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert first.clean_at == Allocation.objects.get(pk=first.pk).clean_at
    assert Allocation.objects.filter(clean_at=None).count() == 0


def test_cleaning_ends_when_a_device_is_shut_down_instead() -> None:
    node = make.ready_backend(1)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    make.answer(node, "STOP")
    assert not Allocation.objects.get().clean_at
    make.answer(node, "CLEAN", ok=False)
    assert make.statuses(node) == [DeviceStatus.SHUTDOWN]
    assert Allocation.objects.get().clean_at


def test_cleaning_ends_when_no_agent_reports_its_end() -> None:
    node = make.ready_backend(1)
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    ManagerPresence.objects.update(since=db_now() - LONG)
    Device.objects.update(since=db_now() - LONG)
    sweep()
    assert make.statuses(node) == [DeviceStatus.SHUTDOWN]
    assert Allocation.objects.get().clean_at


def test_cleaning_ends_with_the_node() -> None:
    lost, deleted = make.ready_backend(1), make.ready_backend(1)
    jobs = [make.job(), make.job()]
    tick(jobs[0].group_id)
    for job in jobs:
        cancel_job(job, cause=Cause.BY_USER, actor=make.ACTOR)
    unclean = Allocation.objects.filter(clean_at=None)
    assert set(unclean.values_list("device__backend", flat=True)) == {lost.pk, deleted.pk}
    ManagerPresence.objects.update(since=db_now() - LONG)
    Agent.objects.filter(pk=lost.pk).update(last_seen=db_now() - LONG)
    lose_backend(lost.pk)
    assert unclean.get().device.backend == deleted
    delete_backend(deleted, actor=make.ACTOR)
    assert not unclean.exists()


def test_a_reserved_device_is_cleaned_after_its_release_only() -> None:
    node = make.ready_backend(1)
    token = make.token()
    sda = create_sda(token, make.sda_model(1), reserved=True, actor=make.ACTOR)
    finish_job(_run(make.job(sda), node), exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert Allocation.objects.get().clean_at is None
    assert unbilled_times(db_now() - LONG, db_now()).get(token.pk, UnbilledTime()).cleaning_ms == 0
    delete_sda(Sda.objects.get(pk=sda.pk), actor=make.ACTOR)
    make.answer(node)
    row = Allocation.objects.get()
    assert row.ended_at
    assert row.clean_at
    assert row.clean_at >= row.ended_at


def _run(job: Job, node: Any) -> Job:
    tick(job.group_id)
    make.answer(node, "START")
    return job


def test_a_reserved_device_that_nobody_cleans_took_no_time() -> None:
    make.ready_backend(1)
    sda = create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    Device.objects.update(status=DeviceStatus.BUSY)
    delete_sda(Sda.objects.get(pk=sda.pk), actor=make.ACTOR)
    row = Allocation.objects.get()
    assert row.clean_at == row.ended_at is not None


SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@given(SPANS, st.lists(SPANS, max_size=6))
def test_what_is_left_of_a_span_is_every_instant_outside_the_holes(whole: Any, holes: Any) -> None:
    inside = {at for at in range(*whole) if not any(first <= at < last for first, last in holes)}
    pieces = without(whole, holes)
    assert {at for piece in pieces for at in range(*piece)} == inside
    assert length(pieces) == len(inside)


@pytest.mark.parametrize("rows", [2, 20])
def test_it_costs_the_same_number_of_queries(rows: int, django_assert_num_queries: Any) -> None:
    device = make.backend(1).devices.get()
    for number in range(rows):
        job = _waited(number, number + 1, number + 2, attempt=1 + number % 2)
        _held(job, device, number, number + 0.5, number + 1)
    clock = 1 if connection.vendor == "postgresql" else 0
    with django_assert_num_queries(4 + clock):  # jobs that waited once, again, what these held, cleaned
        assert len(unbilled_times(NOON, NOON + HOUR)) == rows
