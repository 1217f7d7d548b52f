from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeGuard

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from moreh_cloud.lib.clock import db_now
from scheduler.apply import apply
from scheduler.errors import LeaseLost
from scheduler.lease import Lease
from scheduler.load import load, load_few
from scheduler.models import Queue
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Decision, Placed
from scheduler.policy.snapshot import Snapshot
from scheduler.reservations import start_reserved


def tick(group_id: int) -> None:
    """Plan a group's queue until nobody wants another look; leave at once if somebody else is at it."""
    lease = acquire(group_id)
    if lease is None:
        return
    try:
        while True:
            start_reserved(lease)
            apply(lease, *decide(group_id))
            if _release(lease):
                return
    except LeaseLost:
        return
    except Exception:
        _drop(lease)
        raise


def decide(group_id: int) -> tuple[Snapshot, Sequence[Decision]]:
    """Plan a queue as it is now; a short one that all finds room is planned without a look at every node."""
    if few := load_few(group_id):
        decisions = plan(few)
        if all_start(decisions):
            return few, decisions
    snapshot = load(group_id)
    return snapshot, plan(snapshot)


def all_start(decisions: Iterable[Decision]) -> TypeGuard[Sequence[Placed]]:
    """Tell whether nobody is left waiting."""
    return all(isinstance(decision, Placed) for decision in decisions)


def acquire(group_id: int) -> Lease | None:
    """Take the lease of a group's queue under a new epoch, or leave word that another look is wanted."""
    with transaction.atomic():
        queue = _locked(group_id)
        now = db_now()
        if is_taken(queue, now):
            Queue.objects.filter(pk=group_id).update(wanted=True)
            return None
        _take(group_id, now)
        return Lease(group_id, queue.epoch + 1)


def is_taken(queue: Queue, now: datetime) -> bool:
    """Tell whether somebody has the lease."""
    return queue.lease_until is not None and queue.lease_until > now


def _locked(group_id: int) -> Queue:
    rows = Queue.objects.select_for_update()
    return rows.filter(pk=group_id).first() or rows.get_or_create(pk=group_id)[0]


def _take(group_id: int, now: datetime) -> None:
    Queue.objects.filter(pk=group_id).update(
        epoch=F("epoch") + 1, lease_until=now + settings.MOREH_TICK_LEASE, wanted=False, ticked_at=now
    )


def _release(lease: Lease) -> bool:
    """Give the lease back; tell False (and keep it) if somebody wants another look."""
    mine = Q(pk=lease.group_id, epoch=lease.epoch)
    if Queue.objects.filter(mine, wanted=False).update(lease_until=None):
        return True
    if not Queue.objects.filter(mine).update(wanted=False, ticked_at=db_now()):
        raise LeaseLost(group=lease.group_id)
    return False


def _drop(lease: Lease) -> None:
    """After an error: let the next tick in at once instead of after the lease."""
    Queue.objects.filter(pk=lease.group_id, epoch=lease.epoch).update(lease_until=None)
