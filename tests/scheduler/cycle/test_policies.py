"""Policies, limits and time limits, from rows to rows."""

from collections.abc import Callable
from datetime import timedelta
from math import log
from typing import Any

import pytest

from backends.choices import BackendStatus, SchedulingPolicy
from backends.models import Agent, Backend, BackendGroup, ManagerPresence
from backends.services.groups import create_backend_group, update_backend_group
from backends.services.nodes import set_backend_status
from core.clock import db_now, to_ms
from core.errors import InvalidParameter
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.apply import apply
from scheduler.cycle.fair_share import add_usage, decayed_usage, weight
from scheduler.cycle.lease import acquire
from scheduler.cycle.load import load
from scheduler.cycle.pending_reasons import LAST_FAIR_RANK
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Queue, Share
from scheduler.policy.decisions import PendingReason, Placed
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Policy
from scheduler.queries.queue import places, queue
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.work import sweep
from tests import make
from tokens.models import Token
from tokens.services import create_token_group, update_token, update_token_group

pytestmark = pytest.mark.django_db


def rule(**fields: Any) -> BackendGroup:
    return update_backend_group(make.default_group(), actor=make.ACTOR, **fields)


def state_of(job: Job) -> tuple[str, str, int, int]:
    job.refresh_from_db()
    return job.status, job.pending_reason, job.pending_needed, job.pending_available


def run(job: Job) -> Job:
    tick(job.group_id)
    for node in {a.device.backend for a in Allocation.objects.filter(job=job).select_related("device__backend")}:
        make.answer(node, "START")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    return job


def test_the_names_of_the_policies_agree() -> None:
    assert {choice.value for choice in SchedulingPolicy} == {policy.value for policy in Policy}


def test_backfill_lets_a_small_job_pass_until_the_head_is_guarded() -> None:
    make.ready_backend(4)
    rule(policy="backfill", guard_s=600)
    run(make.job(num_devices=2))
    head, small = make.job(num_devices=4), make.job(num_devices=1)
    tick(head.group_id)
    assert state_of(small)[0] == JobStatus.SUBMITTED
    assert state_of(head)[3] == 1  # what is left when the small one has started
    queued = Queue.objects.get(pk=head.group_id)
    ((job, since_ms),) = queued.heads.items()
    assert int(job) == head.pk
    assert 0 <= to_ms(db_now()) - since_ms < 5_000
    late = make.job(num_devices=1)
    Queue.objects.filter(pk=head.group_id).update(heads={job: since_ms - 600_000})
    tick(head.group_id)
    assert state_of(late) == ("WAITING", PendingReason.BLOCKED_BY_HEAD, 1, 0)
    assert Queue.objects.get(pk=head.group_id).head == head.pk
    Queue.objects.filter(pk=head.group_id).update(heads={job: since_ms - 661_000})  # its window has closed
    assert load(head.group_id).running == ()
    assert [one.request_id for one in plan(load(head.group_id)) if isinstance(one, Placed)] == [late.pk]
    Queue.objects.filter(pk=head.group_id).update(heads={job: since_ms - 600_000})
    assert {pk: (p.number, p.head) for pk, p in places().items()} == {head.pk: (1, head.pk), late.pk: (2, head.pk)}


def test_backfill_with_time_limits_lets_only_those_pass_who_are_over_in_time() -> None:
    make.ready_backend(4)
    rule(policy="backfill", guard_s=10_000)
    run(make.job(num_devices=2, time_limit=timedelta(seconds=100)))
    head = make.job(num_devices=4)
    late = make.job(num_devices=1, time_limit=timedelta(seconds=200))
    short = make.job(num_devices=1, time_limit=timedelta(seconds=50))
    tick(head.group_id)
    assert [state_of(job)[:2] for job in (head, late, short)] == [
        ("WAITING", PendingReason.NOT_ENOUGH_DEVICES),
        ("WAITING", PendingReason.BLOCKED_BY_HEAD),
        ("SUBMITTED", ""),
    ]


AWAY: dict[str, Callable[[Backend], object]] = {
    "a full node": lambda node: node,
    "a silent node": lambda node: Agent.objects.filter(pk=node.pk).update(last_seen=db_now() - timedelta(minutes=1)),
    "a node that is shut down": lambda node: set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR),
}


@pytest.mark.parametrize("case", AWAY)
def test_a_head_that_needs_one_node_waits_for_a_job_with_a_time_limit_on_it(case: str) -> None:
    rule(policy="backfill", combine=False, guard_s=10_000)
    away = make.ready_backend(2)
    run(make.job(num_devices=2, time_limit=timedelta(seconds=100)))
    make.ready_backend(3)
    run(make.job(num_devices=1))
    ManagerPresence.objects.update(since=db_now() - timedelta(hours=1))
    AWAY[case](away)
    head, small = make.job(num_devices=3), make.job()
    tick(head.group_id)
    assert state_of(head) == ("WAITING", PendingReason.NOT_ENOUGH_DEVICES, 3, 1)
    assert state_of(small)[0] == JobStatus.SUBMITTED


def test_a_job_past_its_time_limit_fails_with_that_cause() -> None:
    make.ready_backend(1)
    job = run(make.job(time_limit=timedelta(seconds=60)))
    sweep()
    assert state_of(job)[0] == JobStatus.RUNNING
    Job.objects.filter(pk=job.pk).update(submitted_at=db_now() - timedelta(seconds=60))
    sweep()
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.TIME_LIMIT)
    assert not Allocation.objects.filter(job=job, ended_at=None).exists()


def test_fair_serves_first_who_used_least_and_the_queue_shows_that_order() -> None:
    node = make.ready_backend(1)
    rule(policy="fair")
    much, little = make.sda(max_duplicates=0), make.sda(max_duplicates=0)
    Share.objects.create(token=much.token, device_ms=9_000_000, at=db_now())
    holder = run(make.job())
    first, second = make.job(much), make.job(little)
    tick(first.group_id)
    assert [job.pk for job in queue()] == [holder.pk, second.pk, first.pk]
    assert (places()[second.pk].number, places()[first.pk].number) == (1, 2)
    finish_job(holder, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    tick(first.group_id)
    assert (state_of(first)[0], state_of(second)[0]) == (JobStatus.WAITING, JobStatus.SUBMITTED)
    rule(policy="strict")
    tick(first.group_id)
    assert Job.objects.get(pk=first.pk).fair_rank == 0


def test_a_new_job_stands_last_in_a_fair_queue_until_a_tick_has_lined_it_up() -> None:
    assert make.job().fair_rank == 0
    rule(policy="fair")
    job = make.job()
    assert job.fair_rank == LAST_FAIR_RANK
    tick(job.group_id)
    assert Job.objects.get(pk=job.pk).fair_rank < LAST_FAIR_RANK


def test_a_fair_group_remembers_what_was_used_and_forgets_half_of_it_in_a_half_life() -> None:
    make.ready_backend(2)
    rule(policy="fair")
    job = run(make.job(num_devices=2))
    now = db_now()
    Job.objects.filter(pk=job.pk).update(submitted_at=now - timedelta(minutes=10))
    finish_job(job, exit_code=0, actor=make.ACTOR)
    share = Share.objects.get(token=job.token_id)
    day = timedelta(days=1)
    assert share.device_ms == pytest.approx(2 * 600_000, rel=0.01)  # a little less: the first minutes count less
    assert decayed_usage([job.token_id], share.at + day) == {job.token_id: pytest.approx(share.device_ms / 2)}
    assert weight(now - 100 * day, now, now, day) == pytest.approx(86_400_000 / log(2))


def test_decayed_usage_counts_what_a_token_holds_and_what_it_held() -> None:
    make.ready_backend(2)
    job = run(make.job(num_devices=2))
    Allocation.objects.filter(job=job).update(started_at=db_now() - timedelta(seconds=100))
    assert decayed_usage([job.token_id], db_now()) == {job.token_id: pytest.approx(200_000, rel=0.01)}
    Share.objects.create(token=job.token, device_ms=1_000_000, at=db_now())
    assert decayed_usage([job.token_id], db_now()) == {job.token_id: pytest.approx(1_200_000, rel=0.01)}


DAY = timedelta(days=1)


def test_a_day_of_use_weighs_half_of_one_a_half_life_later() -> None:
    now = db_now()
    assert weight(now - DAY, now, now, DAY) == pytest.approx(86_400_000 / log(2) / 2)
    assert weight(now - 2 * DAY, now - DAY, now, DAY) == pytest.approx(86_400_000 / log(2) / 4)


def test_use_adds_up_at_the_latest_end_and_what_was_before_has_faded_until_then(settings: Any) -> None:
    settings.MOREH_FAIR_HALF_LIFE = DAY
    token, now = make.token(), db_now()
    day = 86_400_000 / log(2) / 2  # of one device, until now
    add_usage(token.pk, 2, now - DAY, now)
    assert _decayed(token) == [pytest.approx(2 * day), now]
    add_usage(token.pk, 1, now, now + DAY)
    assert _decayed(token) == [pytest.approx(2 * day / 2 + day), now + DAY]
    add_usage(token.pk, 1, now - DAY, now)  # an end that is noted late
    assert _decayed(token) == [pytest.approx(2 * day / 2 + day + day / 2), now + DAY]
    assert decayed_usage([token.pk], now) == {token.pk: _decayed(token)[0]}  # nothing was worth more before than it was


def _decayed(token: Token) -> list[Any]:
    share = Share.objects.get(token=token)
    return [share.device_ms, share.at]


def test_a_token_over_its_limit_waits_with_numbers_and_blocks_nobody() -> None:
    make.ready_backend(8)
    accelerator = make.sda(2, max_duplicates=0)
    update_token(accelerator.token, actor=make.ACTOR, max_devices=3)
    first, over, other = make.job(accelerator), make.job(accelerator), make.job()
    tick(first.group_id)
    assert state_of(first)[0] == JobStatus.SUBMITTED
    assert state_of(over) == ("WAITING", PendingReason.OVER_TOKEN_LIMIT, 4, 3)
    assert state_of(other)[0] == JobStatus.SUBMITTED


def test_a_group_of_tokens_shares_one_limit_over_all_backend_groups() -> None:
    make.ready_backend(4)
    here, there = make.job(num_devices=2), make.job(num_devices=2)
    other = create_backend_group(name="other", actor=make.ACTOR)
    make.ready_backend(4, group=other)
    Job.objects.filter(pk=there.pk).update(group=other)
    group = create_token_group(name="team", actor=make.ACTOR, tokens=[here.token, there.token])
    update_token_group(group, actor=make.ACTOR, max_devices=3)
    tick(here.group_id)
    tick(other.pk)
    assert state_of(here)[0] == JobStatus.SUBMITTED
    assert state_of(there) == ("WAITING", PendingReason.OVER_GROUP_LIMIT, 4, 3)
    cancel_job(here, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    tick(other.pk)
    assert state_of(there)[0] == JobStatus.SUBMITTED


def test_a_draining_group_goes_on_and_starts_nothing() -> None:
    make.ready_backend(2)
    running = run(make.job())
    rule(draining=True)
    job = make.job()
    tick(job.group_id)
    assert state_of(job) == ("WAITING", PendingReason.GROUP_DRAINING, 1, 0)
    assert state_of(running)[0] == JobStatus.RUNNING
    rule(draining=False)
    tick(job.group_id)
    assert state_of(job)[0] == JobStatus.SUBMITTED


def test_a_time_limit_out_of_range_is_refused_by_name() -> None:
    for wrong in (timedelta(0), timedelta(days=4000)):
        with pytest.raises(InvalidParameter) as refused:
            make.job(time_limit=wrong)
        assert refused.value.details == {"parameter": "time_limit"}


def test_limits_are_locked_again_when_the_plan_is_written() -> None:
    """What another group's tick gave a token since the snapshot counts."""
    make.ready_backend(4)
    accelerator = make.sda(2, max_duplicates=0)
    job = make.job(accelerator)
    snapshot = load(job.group_id)
    Token.objects.filter(pk=accelerator.token_id).update(max_devices=1)
    lease = acquire(job.group_id)
    assert lease is not None
    apply(lease, snapshot, plan(snapshot))
    assert state_of(job)[0] == JobStatus.WAITING
    assert Allocation.objects.count() == 0
