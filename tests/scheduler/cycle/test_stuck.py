"""What no job of a backfilled group can get is counted when a head has waited for its guard time, and only then."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup
from backends.services.nodes import set_backend_status
from core.clock import db_now, to_ms
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.models import Job, Queue
from scheduler.policy.decisions import PendingReason
from scheduler.policy.plan import head_of, plan
from scheduler.services.nodes import drain_backend, set_device_status
from tests import make
from tests.scheduler.cycle.test_reserved import reserved

pytestmark = pytest.mark.django_db
GUARD_S = 600


def set_waited(job: Job, seconds: int) -> None:
    """Let a job have been at the head of its queue for so long, and no other one."""
    Queue.objects.filter(pk=job.group_id).update(heads={str(job.pk): to_ms(db_now()) - seconds * 1000})


def heads(group_id: int) -> set[int]:
    return {int(job) for job in Queue.objects.get(pk=group_id).heads}


def busy(node: Backend) -> None:
    set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR, index=0)


def shut_down(node: Backend) -> None:
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR, index=0)


LOST: dict[str, tuple[Callable[[Backend], object], int]] = {
    "a device that is kept out": (busy, 7),
    "a device that is shut down": (shut_down, 7),
    "a device of a reserved SDA": (lambda _node: reserved(1), 7),
    "a node that drains": (lambda node: drain_backend(node, actor=make.ACTOR), 4),
    "a node that is shut down": (lambda node: set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR), 4),
}


@pytest.mark.parametrize("case", LOST)
def test_a_stuck_job_waits_as_before_and_the_next_one_is_the_head(case: str) -> None:
    lose, most = LOST[case]
    BackendGroup.objects.update(policy="backfill", guard_s=GUARD_S)
    first, second = make.ready_backend(4), make.ready_backend(4)
    lose(first)
    make.running_job(second)
    large, behind = make.job(num_devices=8), make.job(num_devices=most)
    tick(large.group_id)
    assert heads(large.group_id) == {large.pk}
    set_waited(large, GUARD_S - 5)
    assert load(large.group_id).attainable is None
    set_waited(large, GUARD_S)
    world = load(large.group_id)
    assert (world.attainable, head_of(plan(world))) == (most, behind.pk)
    assert load(large.group_id, everyone=True).attainable == most
    tick(large.group_id)
    assert heads(large.group_id) == {large.pk, behind.pk}
    large.refresh_from_db()
    assert (large.status, large.pending_reason) == ("WAITING", PendingReason.NOT_ENOUGH_DEVICES)


def test_only_a_guarded_queue_costs_one_query_more() -> None:
    BackendGroup.objects.update(policy="backfill", guard_s=GUARD_S)
    make.running_job(make.ready_backend(4))
    job = make.job(num_devices=4)
    tick(job.group_id)
    counts = []
    for waited in (GUARD_S - 5, GUARD_S + GUARD_S // 2):  # outside of a window in both
        set_waited(job, waited)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            load(job.group_id)
        counts.append(len(queries))
    assert counts[1] == counts[0] + 1
    BackendGroup.objects.update(policy="strict")
    assert load(job.group_id).attainable is None
