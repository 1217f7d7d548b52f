"""The reconciler finds every planted inconsistency, repairs it towards the safe side, and says so."""

from collections.abc import Callable

import pytest

from backends.choices import DeviceStatus
from backends.models import Backend, Device
from moreh_cloud.alerts.models import Alert
from moreh_cloud.events.models import Event
from scheduler.choices import JobStatus, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.reconcile import reconcile
from tests import make

pytestmark = pytest.mark.django_db


def _lose_an_allocation(job: Job) -> None:
    allocation = Allocation.objects.filter(job=job).first()
    assert allocation
    Allocation.objects.filter(pk=allocation.pk).delete()


def _end_without_leaving(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(status=JobStatus.FAILED, ended_at=job.started_at)


def _forget_the_holder(job: Job) -> None:
    _end_without_leaving(job)
    Allocation.objects.filter(job=job).update(ended_at=job.started_at)


def _free_a_held_device(job: Job) -> None:
    Device.objects.filter(index=0).update(status=DeviceStatus.IDLE)


PLANTED: dict[str, Callable[[Job], None]] = {
    "a live job with too few devices": _lose_an_allocation,
    "a job that is over and still holds devices": _end_without_leaving,
    "devices in use by nobody": _forget_the_holder,
    "a held device that looks free": _free_a_held_device,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_it_is_found_repaired_and_told(plant: Callable[[Job], None]) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node, num_devices=2)
    plant(job)
    findings = reconcile()
    assert findings
    assert Event.objects.filter(action="REPAIR").count() == len(findings)
    assert Alert.objects.filter(category="INCONSISTENCY").count() >= 1
    assert reconcile() == []
    _assert_laws(node, job)


def _assert_laws(node: Backend, job: Job) -> None:
    make.answer(node)
    job.refresh_from_db()
    held = Allocation.objects.filter(ended_at=None).count()
    assert held == (2 if job.status == JobStatus.RUNNING else 0)
    if job.status != JobStatus.RUNNING:
        assert make.statuses(node) == ["IDLE", "IDLE"]
        assert Worker.objects.get(job=job).state == WorkerState.GONE


def test_a_sound_world_is_left_alone() -> None:
    node = make.ready_backend(3)
    make.running_job(node)
    make.job(num_devices=2)
    assert reconcile() == []
