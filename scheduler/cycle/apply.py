"""Apply decisions: bind jobs, store pending reasons and heads, give and withdraw notices of preemption."""

from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction

from core.repeats import repeated
from scheduler.choices import HOLDING
from scheduler.cycle.bind import bind_jobs, lock_bindable
from scheduler.cycle.bind_batch import bind_batch
from scheduler.cycle.lease import QueueLease
from scheduler.cycle.limits import is_draining
from scheduler.cycle.pending_reasons import store_fair_ranks, store_heads, store_pending_reasons
from scheduler.cycle.preemption import schedule_preemptions, withdraw_notices
from scheduler.models import Job
from scheduler.policy.decisions import Decision, Placed, Waits
from scheduler.policy.plan import head_of, heads_after
from scheduler.policy.snapshot import Policy, QueuedRequest, Snapshot

BATCH = 5000


def apply(lease: QueueLease, snapshot: Snapshot, decisions: Sequence[Decision]) -> None:
    """Write the decisions on a snapshot, in batches of one transaction each. Raises LeaseLost."""
    requests = {request.id: request for request in snapshot.queue}
    placed = [decision for decision in decisions if isinstance(decision, Placed)]
    for start in range(0, len(placed), BATCH):
        _apply_batch(lease, placed[start : start + BATCH], requests)
    waits = [decision for decision in decisions if isinstance(decision, Waits)]
    head = head_of(waits)
    if head is None or not snapshot.rules.preempt:
        _withdraw_notices(lease)
    heads = heads_after(snapshot, head, snapshot.heads.keys() - {one.request_id for one in waits})
    if heads != snapshot.heads:
        store_heads(lease, heads)
    if waits:
        # Of all who lock jobs, this one locks the most, in the order of their reasons.
        repeated(partial(_store_waits, lease, waits, fair=snapshot.rules.policy is Policy.FAIR))


@transaction.atomic
def _apply_batch(lease: QueueLease, batch: Sequence[Placed], requests: Mapping[int, QueuedRequest]) -> None:
    lease.check()
    if is_draining(lease.group_id):
        return  # it has begun to drain since the plan was made
    if changed := bind_batch(lease, batch, requests):
        bind_jobs(lock_bindable(lease.group_id, changed))


def _withdraw_notices(lease: QueueLease) -> None:
    """Withdraw the notices of jobs that were to be preempted for jobs of this queue."""
    under_notice = Job.objects.filter(preempt_at__isnull=False, status__in=HOLDING)
    preempted = under_notice.filter(preempted_by__in=Job.objects.filter(group=lease.group_id).values("pk"))
    if preempted.exists():
        with transaction.atomic():
            lease.check()
            withdraw_notices(Job.objects.filter(pk__in=list(preempted.values_list("pk", flat=True))))


@transaction.atomic
def _store_waits(lease: QueueLease, waits: Sequence[Waits], *, fair: bool) -> None:
    """Store pending reasons and fair ranks, and give notice to the jobs that are preempted."""
    lease.check()
    store_pending_reasons(lease.group_id, waits)
    store_fair_ranks(lease.group_id, [wait.request_id for wait in waits], fair=fair)
    for wait in waits:
        if wait.victims:
            schedule_preemptions(wait.victims, preempted_by=wait.request_id)
