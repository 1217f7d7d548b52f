"""Finished history: what is not true of a finished job is refused, and nothing of its batch is written."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from core.clock import db_now
from core.errors import InvalidParameter
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.models import Allocation, Job
from scheduler.services.history import PastJob, add_past_jobs
from tests import make

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def _past(**changes: Any) -> PastJob:
    """A job that held both devices of a new node for a minute, an hour ago."""
    devices = tuple(make.backend(2).devices.order_by("index").values_list("pk", flat=True))
    start = db_now() - timedelta(hours=1)
    job = PastJob("one", "train.py", make.sda(2), 5, devices, start - MINUTE, start, start + MINUTE)
    return replace(job, **changes)


def test_a_job_that_was_is_written_with_what_it_held() -> None:
    past = _past()
    assert add_past_jobs([past], actor=make.ACTOR) == 1
    job = Job.objects.get()
    assert (job.sda, job.token, job.group_id) == (past.sda, past.sda.token, 0)
    assert (job.status, job.priority, job.num_devices) == (JobStatus.COMPLETED, 5, 2)
    assert (job.requested_at, job.submitted_at, job.started_at, job.ended_at) == (
        past.requested_at,
        past.started_at,
        past.started_at,
        past.ended_at,
    )
    rows = Allocation.objects.order_by("pk").values_list("job", "device", "started_at", "ended_at")
    assert list(rows) == [(job.pk, device, past.started_at, past.ended_at) for device in past.devices]
    assert Event.objects.get(action="ADD_PAST_JOBS").request == {"jobs": 1, "allocations": 2, "deviceMs": 120_000}


def test_the_same_request_is_the_same_job() -> None:
    past = _past()
    assert [add_past_jobs([past], actor=make.ACTOR), add_past_jobs([past], actor=make.ACTOR)] == [1, 0]
    assert (Job.objects.count(), Allocation.objects.count()) == (1, 2)
    assert Event.objects.filter(action="ADD_PAST_JOBS").count() == 1


def test_the_same_request_of_another_token_is_another_job() -> None:
    first, second = _past(), _past()
    assert first.sda.token_id != second.sda.token_id
    assert add_past_jobs([first], actor=make.ACTOR) == 1
    assert add_past_jobs([first, second], actor=make.ACTOR) == 1
    assert list(Job.objects.order_by("pk").values_list("token", flat=True)) == [first.sda.token_id, second.sda.token_id]


UNTRUE = {
    "it began before it was asked for": lambda job: replace(job, requested_at=job.started_at + MINUTE),
    "it ended before it began": lambda job: replace(job, ended_at=job.started_at - MINUTE),
    "it is not over": lambda job: replace(job, ended_at=db_now() + MINUTE),
    "it held fewer devices than its model says": lambda job: replace(job, devices=job.devices[:1]),
    "it held one device twice": lambda job: replace(job, devices=job.devices[:1] * 2),
}


@pytest.mark.parametrize("case", UNTRUE)
def test_refused_with_its_whole_batch(case: str) -> None:
    good = _past()
    with pytest.raises(InvalidParameter) as caught:
        add_past_jobs([good, UNTRUE[case](_past(request_id="two", name="eval.py"))], actor=make.ACTOR)
    assert caught.value.details == {"job": "eval.py"}
    assert (Job.objects.count(), Allocation.objects.count()) == (0, 0)


@pytest.mark.only_postgresql
def test_no_history_can_hold_a_device_twice() -> None:
    past = _past()
    later = replace(past, request_id="two", ended_at=past.ended_at + MINUTE)
    with pytest.raises(IntegrityError, match="allocation_no_overlap"):
        add_past_jobs([past, later], actor=make.ACTOR)
