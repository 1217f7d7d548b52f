"""Reserved SDAs: their devices are held, and billed, from creation to deletion."""

import pytest
from django.db import transaction

from backends.choices import DeviceStatus
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.errors import NotEnoughDevices
from scheduler.models import Allocation, Job
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import check_backend, set_device_status
from scheduler.services.sdas import create_sda, delete_sda, reset_sda, switch_model
from sda.errors import SdaInUse
from sda.models import Sda
from tests import make

pytestmark = pytest.mark.django_db


def _reserved(num_devices: int) -> Sda:
    return create_sda(make.token(), make.sda_model(num_devices), reserved=True, actor=make.ACTOR)


def test_its_devices_are_held_at_once_and_nobody_else_gets_them() -> None:
    node = make.ready_backend(4)
    sda = _reserved(3)
    assert make.statuses(node) == ["PREPARING"] * 3 + ["IDLE"]
    assert Allocation.objects.filter(sda=sda, job=None, ended_at=None).count() == Allocation.objects.count() == 3
    other = make.job(num_devices=2)
    tick(other.group_id)
    other.refresh_from_db()
    assert other.status == JobStatus.WAITING


def test_without_enough_devices_nothing_is_created_and_the_error_has_the_missing_number() -> None:
    make.ready_backend(2)
    with pytest.raises(NotEnoughDevices) as caught:
        _reserved(5)
    assert caught.value.details["missing"] == 3
    assert (Sda.objects.count(), Allocation.objects.count()) == (0, 0)


def test_its_jobs_start_on_them_one_at_a_time_and_open_no_allocation() -> None:
    node = make.ready_backend(2)
    sda = _reserved(2)
    first, second = make.job(sda), make.job(sda)
    tick(first.group_id)
    make.answer(node, "START")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (JobStatus.RUNNING, JobStatus.WAITING)
    assert (make.statuses(node), Allocation.objects.count()) == (["PROCESSING"] * 2, 2)

    finish_job(first, exit_code=0, actor=make.ACTOR)
    tick(first.group_id)
    second.refresh_from_db()
    assert second.status == JobStatus.WAITING  # its devices are not clean yet
    make.answer(node, "STOP"), make.answer(node, "CLEAN")
    assert make.statuses(node) == ["PREPARING"] * 2
    tick(first.group_id)
    second.refresh_from_db()
    assert second.status == JobStatus.SUBMITTED
    assert Allocation.objects.filter(ended_at=None).count() == 2


def test_deleting_it_ends_the_bill_and_frees_its_devices_after_cleaning() -> None:
    node = make.ready_backend(2)
    sda = _reserved(2)
    delete_sda(sda, actor=make.ACTOR)
    assert (make.statuses(node), Allocation.objects.filter(ended_at=None).count()) == (["CLEANING"] * 2, 0)
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2


def test_an_sda_in_use_is_neither_switched_nor_deleted_unless_forced() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    with pytest.raises(SdaInUse):
        switch_model(job.sda, make.sda_model(), actor=make.ACTOR)
    with pytest.raises(SdaInUse):
        delete_sda(job.sda, actor=make.ACTOR)
    delete_sda(job.sda, force=True, actor=make.ACTOR)
    job.refresh_from_db()
    assert (job.status, Sda.objects.live().count()) == (JobStatus.CANCELED, 0)


def test_reset_stops_what_runs_and_leaves_what_waits() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    waiting = make.job(job.sda)
    assert reset_sda(job.sda, actor=make.ACTOR) == [job.pk]
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == ["CANCELED", "WAITING"]
    assert waiting.pk


def test_a_reserved_sda_that_gets_another_model_holds_what_that_needs_and_is_billed_for_each() -> None:
    node = make.ready_backend(5)
    sda = _reserved(2)
    was = sda.model
    switched = switch_model(sda, make.sda_model(3), actor=make.ACTOR)
    assert make.statuses(node) == ["CLEANING"] * 2 + ["PREPARING"] * 3
    rows = Allocation.objects.order_by("pk").values_list("sda_model", "ended_at")
    held = [(model, ended is None) for model, ended in rows]
    assert held == [(was.pk, False)] * 2 + [(switched.model_id, True)] * 3
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2 + ["PREPARING"] * 3


def test_a_reserved_sda_keeps_its_model_when_the_devices_of_another_are_not_there() -> None:
    node = make.ready_backend(3)
    sda = _reserved(2)
    with pytest.raises(NotEnoughDevices), transaction.atomic():
        switch_model(sda, make.sda_model(3), actor=make.ACTOR)
    assert Sda.objects.get().model == sda.model
    assert (make.statuses(node), Allocation.objects.filter(ended_at=None).count()) == (["PREPARING"] * 2 + ["IDLE"], 2)


def test_an_sda_for_which_a_job_waits_is_in_use() -> None:
    job = make.job()
    with pytest.raises(SdaInUse):
        switch_model(job.sda, make.sda_model(), actor=make.ACTOR)
    with pytest.raises(SdaInUse):
        delete_sda(job.sda, actor=make.ACTOR)


def test_force_ends_only_the_jobs_of_the_devices_that_are_taken_out() -> None:
    node = make.ready_backend(2)
    first, second = make.running_job(node), make.running_job(node)
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR, force=True)
    statuses = Job.objects.order_by("pk").values_list("pk", "status")
    assert list(statuses) == [(first.pk, "RUNNING"), (second.pk, "RUNNING")]
    set_device_status(node, DeviceStatus.SHUTDOWN, index=1, actor=make.ACTOR, force=True)
    assert list(statuses.all()) == [(first.pk, "RUNNING"), (second.pk, "CANCELED")]


def test_a_node_has_one_open_health_check_at_a_time() -> None:
    node = make.ready_backend(1)
    check_backend(node)
    check_backend(node)
    assert [order.verb for order in make.orders(node)] == ["CHECK"]
    make.answer(node, "CHECK")
    check_backend(node)
    assert make.orders(node).count() == 1
