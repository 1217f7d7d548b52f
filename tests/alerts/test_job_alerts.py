"""Queues that cannot be served, and jobs that fail."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import OPEN, Alert
from backends.choices import DeviceStatus
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.job_alerts import note_failed_jobs, note_shortages
from scheduler.services.jobs import cancel_job, end_job
from scheduler.services.nodes import set_device_status
from tests import make
from tests.alerts.heard import by_category, heard

pytestmark = pytest.mark.django_db


def waiting(devices: int, minutes: int = 16) -> Job:
    job = make.job(num_devices=devices)
    tick(job.group_id)
    Job.objects.filter(pk=job.pk).update(requested_at=db_now() - timedelta(minutes=minutes))
    return job


def texts() -> list[str]:
    return [alert.text for alert in Alert.objects.filter(OPEN).order_by("pk")]


def test_a_job_that_waits_while_devices_are_out_of_service_is_a_shortage() -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    job = waiting(2)
    note_shortages()
    assert texts() == []  # all devices are in use: it is only busy
    set_device_status(node, DeviceStatus.SHUTDOWN, index=1, actor=make.ACTOR)
    Job.objects.filter(pk=job.pk).update(requested_at=db_now() - timedelta(minutes=14))
    note_shortages()
    assert texts() == []
    Job.objects.filter(pk=job.pk).update(requested_at=db_now() - timedelta(minutes=16))
    with heard() as told:
        note_shortages()
        note_shortages()
        said = f"job {job.pk} has waited for 2 devices for more than 15 minutes; 1 of 2 devices are out of service."
        assert texts() == [f"default_backend_group: {said}"]
        cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
        note_shortages()
        assert by_category(told) == [("GPU_SHORTAGE", "RAISED"), ("GPU_SHORTAGE", "CLEARED")]


def test_a_group_that_is_too_small_is_a_shortage_and_a_limit_is_none() -> None:
    make.ready_backend(2)
    job = waiting(3)
    note_shortages()
    said = f"job {job.pk} has waited for 3 devices for more than 15 minutes; the group has too few, 2 in all."
    assert texts() == [f"default_backend_group: {said}"]
    Job.objects.filter(pk=job.pk).update(pending_reason="OVER_TOKEN_LIMIT")
    note_shortages()
    assert texts() == []


def test_a_job_that_failed_by_our_fault_is_told_for_an_hour() -> None:
    node = make.ready_backend(3)
    ours, theirs = make.running_job(node), make.running_job(node)
    end_job(ours.pk, JobStatus.FAILED, cause=Cause.WORKER_ERROR, detail="gpu-1: it died", actor=make.ACTOR)
    end_job(theirs.pk, JobStatus.FAILED, cause=Cause.EXIT_CODE, actor=make.ACTOR)
    with heard() as told:
        note_failed_jobs()
        note_failed_jobs()
        alert = Alert.objects.get()
        assert (str(alert.subject), alert.times) == (f"job/{ours.pk}", 1)
        assert alert.text == f"{ours.token.description}: job {ours.pk} failed: worker error. gpu-1: it died"
        Job.objects.update(ended_at=db_now() - timedelta(minutes=61))
        note_failed_jobs()
        assert told == [(alert.pk, "RAISED"), (alert.pk, "CLEARED")]


def test_a_token_whose_jobs_fail_often_is_told_until_few_do(settings: Any) -> None:
    settings.MOREH_FAILING_JOBS = 4
    sda = make.sda(1, description="Birch", max_sda_count=4)
    jobs = [make.job(sda), *(make.job(make.sda(1, owner=sda.token)) for _ in range(3))]
    for job in jobs[:3]:
        end_job(job.pk, JobStatus.FAILED, cause=Cause.EXIT_CODE, actor=make.ACTOR)
    with heard() as told:
        note_failed_jobs()
        assert told == []
        end_job(jobs[3].pk, JobStatus.FAILED, cause=Cause.EXIT_CODE, actor=make.ACTOR)
        note_failed_jobs()
        assert texts() == ["Birch: 4 or more jobs failed within an hour."]
        for gone in (2, 3):
            ids = [job.pk for job in jobs[:gone]]
            Job.objects.filter(pk__in=ids).update(ended_at=db_now() - timedelta(minutes=61))
            note_failed_jobs()
        assert by_category(told) == [("JOB_ERROR", "RAISED"), ("JOB_ERROR", "CLEARED")]
