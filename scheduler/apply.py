from collections.abc import Mapping, Sequence

from django.db import transaction

from scheduler.claim import begin_as_planned
from scheduler.grants import begin_jobs, still_possible
from scheduler.lease import Lease
from scheduler.policy.reasons import Decision, Placed, Waits
from scheduler.policy.snapshot import Policy, Request, Snapshot
from scheduler.telling import give_notice, line_up, tell_why

BATCH = 5000


def apply(lease: Lease, snapshot: Snapshot, decisions: Sequence[Decision]) -> None:
    """Write what was decided on a snapshot, in batches of one transaction each. Raises LeaseLost."""
    asked = {request.id: request for request in snapshot.queue}
    placed = [decision for decision in decisions if isinstance(decision, Placed)]
    for start in range(0, len(placed), BATCH):
        _apply_batch(lease, placed[start : start + BATCH], asked)
    waits = [decision for decision in decisions if isinstance(decision, Waits)]
    if waits:
        _tell(lease, waits, fair=snapshot.rules.policy is Policy.FAIR)


@transaction.atomic
def _apply_batch(lease: Lease, batch: Sequence[Placed], asked: Mapping[int, Request]) -> None:
    lease.check()
    if changed := begin_as_planned(lease, batch, asked):
        begin_jobs(still_possible(changed))


@transaction.atomic
def _tell(lease: Lease, waits: Sequence[Waits], *, fair: bool) -> None:
    """Store why jobs wait and in which order, and give notice to those whose devices are wanted."""
    lease.check()
    tell_why(lease.group_id, waits)
    line_up(lease.group_id, [wait.request_id for wait in waits], fair=fair)
    for wait in waits:
        if wait.victims:
            give_notice(wait.victims, wanted_by=wait.request_id)
