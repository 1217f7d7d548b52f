"""Store pending reasons, heads and fair ranks of waiting jobs. The caller holds the queue's lease."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from django.db.models import QuerySet

from scheduler.cycle.lease import QueueLease
from scheduler.models import WAITING, Job, Queue
from scheduler.policy.decisions import Waits

LAST_FAIR_RANK = 2**31 - 1  # of a job that no cycle has ranked yet
CHUNK = 5000  # ids in one statement; SQLite takes at most 32,766
REASON_FIELDS = ("pending_reason", "pending_needed", "pending_available")
StoredReason = tuple[str, int, int]


def store_pending_reasons(group_id: int, waits: Sequence[Waits]) -> None:
    """Store pending reasons and the job that blocks the queue; write only what has changed."""
    head = next((wait.blocker for wait in waits if wait.blocker), 0)
    Queue.objects.filter(pk=group_id).exclude(head=head).update(head=head)
    _store(waits, Job.objects.filter(WAITING, group=group_id))


def store_reserved_pending_reasons(group_id: int, waits: Sequence[Waits]) -> None:
    """Store the pending reasons of jobs on reserved SDAs, on which no plan decides."""
    if waits:
        _store(waits, Job.objects.filter(WAITING, group=group_id, sda__reserved=True))


def _store(waits: Sequence[Waits], rows: QuerySet[Job]) -> None:
    before = {pk: tuple(stored) for pk, *stored in rows.values_list("pk", *REASON_FIELDS)}
    changes: dict[StoredReason, list[int]] = {}
    for wait in waits:
        reason = _stored_reason(wait)
        if before.get(wait.request_id, reason) != reason:
            changes.setdefault(reason, []).append(wait.request_id)
    for reason, ids in changes.items():
        for start in range(0, len(ids), CHUNK):
            changed = Job.objects.filter(WAITING, pk__in=ids[start : start + CHUNK])
            changed.update(**dict(zip(REASON_FIELDS, reason, strict=True)))


def store_heads(lease: QueueLease, heads: Mapping[int, int]) -> None:
    """Store since when waiting jobs have been at the head of their queue, unless the lease was lost."""
    lease.rows().update(heads={str(job): ms for job, ms in heads.items()})


def _stored_reason(wait: Waits) -> StoredReason:
    """Return the stored form of a reason: behind a blocker without the free devices, which change with every job."""
    return (str(wait.reason), wait.needed, 0 if wait.blocker else wait.available)


def store_fair_ranks(group_id: int, ordered: Sequence[int], *, fair: bool) -> None:
    """Store the order in which the jobs of a fair group are tried if it has changed; 0 in other groups."""
    waiting = Job.objects.filter(WAITING, group=group_id)
    if not fair:
        waiting.filter(fair_rank__gt=0).update(fair_rank=0)
        return
    ranks = dict(waiting.values_list("pk", "fair_rank"))
    waiting_now = [pk for pk in ordered if pk in ranks]
    now = [ranks[pk] for pk in waiting_now]
    if LAST_FAIR_RANK in now or any(one >= two for one, two in pairwise(now)):
        jobs = [Job(pk=pk, fair_rank=rank) for rank, pk in enumerate(waiting_now, 1)]
        Job.objects.bulk_update(jobs, ["fair_rank"], batch_size=500)
