"""The tick: one at a time, under an epoch, whole jobs or none, reasons that are true."""

from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Agent, BackendGroup, Device, ManagerPresence
from backends.services.groups import create_backend_group, update_backend_group
from backends.services.nodes import set_backend_status
from core.clock import db_now
from core.lease import LeaseLost
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.apply import apply
from scheduler.cycle.lease import QueueLease, acquire
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Queue
from scheduler.policy.decisions import PendingReason
from scheduler.policy.plan import plan
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.work import tick_all
from sda.models import SdaModelGroup
from sda.services import models as sda_models
from sda.services import sdas
from tests import make
from tokens import services as tokens

pytestmark = pytest.mark.django_db


def _why(job: Job) -> tuple[str, int]:
    job.refresh_from_db()
    assert job.status == JobStatus.WAITING
    return job.pending_reason, job.pending_available


def test_an_idle_beat_costs_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make.ready_backend()
    with django_assert_num_queries(1):
        tick_all()


@pytest.mark.parametrize("jobs", [2, 20])
def test_loading_a_snapshot_costs_the_same_for_any_queue(
    jobs: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(jobs):
        make.ready_backend(1)
        make.job()
    queries = 9 if connection.vendor == "postgresql" else 8  # there the clock is a query
    group_id = make.default_group().pk
    with django_assert_num_queries(queries):
        load(group_id)


def test_the_snapshot_holds_what_is_free_and_who_waits() -> None:
    node, full = make.ready_backend(4), make.ready_backend(1)
    make.running_job(full)
    waiting = make.job(num_devices=3)
    snapshot = load(waiting.group_id)
    assert {(n.id, n.free, n.size) for n in snapshot.nodes} == {(node.pk, 0b1111, 4), (full.pk, 0, 1)}
    assert [(r.id, r.devices, r.sda_id) for r in snapshot.queue] == [(waiting.pk, 3, waiting.sda_id)]
    assert (snapshot.capacity, snapshot.largest_node, snapshot.combine) == (5, 4, True)
    assert snapshot.sda_slots == {waiting.sda_id: 1}


def test_silent_and_shut_down_nodes_and_busy_devices_are_not_there() -> None:
    silent, off, node = make.ready_backend(1), make.ready_backend(1), make.ready_backend(2)
    _serving_since(minutes=5)
    Agent.objects.filter(backend=silent).update(last_seen=db_now() - timedelta(seconds=31))
    set_backend_status(off, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    Device.objects.filter(backend=node, index=0).update(status=DeviceStatus.BUSY)
    snapshot = load(make.default_group().pk)
    assert [(n.id, n.free) for n in snapshot.nodes] == [(node.pk, 0b10)]
    assert snapshot.capacity == 4


def test_silence_does_not_count_while_no_manager_was_serving() -> None:
    silent = make.ready_backend(1)
    Agent.objects.filter(backend=silent).update(last_seen=db_now() - timedelta(seconds=31))
    assert [n.id for n in load(make.default_group().pk).nodes] == [silent.pk]


def test_a_job_larger_than_the_group_waits_without_blocking() -> None:
    make.ready_backend(2)
    never, small = make.job(num_devices=3), make.job()
    tick(never.group_id)
    assert _why(never) == (PendingReason.NEVER_FITS, 2)
    small.refresh_from_db()
    assert small.status == JobStatus.SUBMITTED


def test_the_head_blocks_those_behind_it() -> None:
    make.ready_backend(2)
    first = make.job(num_devices=1)
    tick(first.group_id)
    head, behind = make.job(num_devices=2), make.job(num_devices=1)
    tick(head.group_id)
    assert _why(head) == (PendingReason.NOT_ENOUGH_DEVICES, 1)
    assert _why(behind) == (PendingReason.BLOCKED_BY_HEAD, 0)
    cancel_job(head, cause=Cause.BY_USER, actor=make.ACTOR)
    tick(head.group_id)
    behind.refresh_from_db()
    assert behind.status == JobStatus.SUBMITTED


def test_without_combine_a_job_needs_one_node() -> None:
    group = make.default_group()
    update_backend_group(group, combine=False, actor=make.ACTOR)
    make.ready_backend(4)
    make.ready_backend(4)
    Device.objects.filter(index=0).update(status=DeviceStatus.BUSY)
    head = make.job(num_devices=4)
    tick(head.group_id)
    assert _why(head) == (PendingReason.NO_SINGLE_NODE, 3)


def test_a_group_without_nodes_is_the_pending_reason() -> None:
    job = make.job()
    tick(job.group_id)
    assert _why(job) == (PendingReason.NO_ACTIVE_BACKEND, 0)


def test_max_duplicates_limits_the_jobs_at_once_and_the_next_waits_without_blocking() -> None:
    make.ready_backend(8)
    accelerator, other = make.sda(max_duplicates=2), make.sda()
    jobs = [make.job(accelerator) for _ in range(3)]
    free = make.job(other)
    tick(free.group_id)
    assert list(Job.objects.filter(pk__in=[j.pk for j in jobs]).order_by("pk").values_list("status", flat=True)) == [
        "SUBMITTED",
        "SUBMITTED",
        "WAITING",
    ]
    assert _why(jobs[2])[0] == PendingReason.SDA_BUSY
    free.refresh_from_db()
    assert free.status == JobStatus.SUBMITTED
    finish_job(jobs[0], exit_code=0, actor=make.ACTOR)
    tick(free.group_id)
    jobs[2].refresh_from_db()
    assert jobs[2].status == JobStatus.SUBMITTED


def test_zero_duplicates_means_no_limit() -> None:
    make.ready_backend(4)
    accelerator = make.sda(max_duplicates=0)
    jobs = [make.job(accelerator) for _ in range(4)]
    tick(jobs[0].group_id)
    assert Job.objects.filter(status=JobStatus.SUBMITTED).count() == 4


def test_jobs_of_other_groups_never_block() -> None:
    group = create_backend_group(name="b", actor=make.ACTOR)
    make.ready_backend(1)
    make.ready_backend(1, group=group)
    blocked = make.job(num_devices=2)
    elsewhere = _job_through_a_group(group.pk)
    tick_all()
    assert _why(blocked)[0] == PendingReason.NEVER_FITS
    elsewhere.refresh_from_db()
    assert (elsewhere.status, elsewhere.group_id) == (JobStatus.SUBMITTED, group.pk)


def _job_through_a_group(backend_group_id: int) -> Job:
    owner, model = make.token(), make.sda_model()
    users = tokens.create_token_group(name="users", tokens=[owner], actor=make.ACTOR)
    backend_group = BackendGroup.objects.get(pk=backend_group_id)
    models: SdaModelGroup = sda_models.create_sda_model_group(
        name="models", backend_group=backend_group, models=[model], actor=make.ACTOR
    )
    sda_models.create_membership(users, models, actor=make.ACTOR)
    return make.job(sdas.create_sda(owner, model, actor=make.ACTOR))


def test_only_one_tick_runs_and_the_other_leaves_word() -> None:
    job = make.job()
    lease = acquire(job.group_id)
    assert lease == QueueLease(job.group_id, 1)
    assert acquire(job.group_id) is None
    assert Queue.objects.get().wanted is True


def test_a_lease_that_is_over_is_taken_with_the_next_epoch() -> None:
    job = make.job()
    acquire(job.group_id)
    Queue.objects.update(lease_until=db_now() - timedelta(seconds=1))
    assert acquire(job.group_id) == QueueLease(job.group_id, 2)


def test_a_leader_that_wakes_up_late_writes_nothing() -> None:
    make.ready_backend(1)
    job = make.job()
    late = acquire(job.group_id)
    assert late is not None
    snapshot = load(job.group_id)
    Queue.objects.update(lease_until=None)
    acquire(job.group_id)
    with pytest.raises(LeaseLost):
        apply(late, snapshot, plan(snapshot))
    job.refresh_from_db()
    assert (job.status, Allocation.objects.count()) == (JobStatus.WAITING, 0)


def test_a_job_canceled_between_plan_and_apply_gets_nothing() -> None:
    make.ready_backend(2)
    gone, stays = make.job(), make.job()
    lease = acquire(gone.group_id)
    assert lease is not None
    snapshot = load(gone.group_id)
    cancel_job(gone, cause=Cause.BY_USER, actor=make.ACTOR)
    apply(lease, snapshot, plan(snapshot))
    assert list(Allocation.objects.values_list("job", flat=True)) == [stays.pk]


def test_a_job_whose_device_left_between_plan_and_apply_gets_none_at_all() -> None:
    node = make.ready_backend(2)
    job = make.job(num_devices=2)
    lease = acquire(job.group_id)
    assert lease is not None
    snapshot = load(job.group_id)
    Device.objects.filter(backend=node, index=1).update(status=DeviceStatus.BUSY)
    apply(lease, snapshot, plan(snapshot))
    job.refresh_from_db()
    assert (job.status, Allocation.objects.count(), make.statuses(node)) == (JobStatus.WAITING, 0, ["IDLE", "BUSY"])


def _serving_since(*, minutes: int) -> None:
    ManagerPresence.objects.update(since=db_now() - timedelta(minutes=minutes), seen=db_now())
