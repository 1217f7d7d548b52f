"""The lease of a group's queue."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from core.clock import db_now
from core.lease import Lease, is_leased
from scheduler.ids import keep_ids_new
from scheduler.models import Queue

# This lock does not conflict with that of `check`, but whoever takes the lease (FOR UPDATE) waits for it.
SHARE = "SELECT FROM scheduler_queue WHERE group_id = %s AND epoch = %s FOR KEY SHARE"


class QueueLease(Lease):
    """The right to write the decisions on a group, as long as its epoch is the latest."""

    model, counter = Queue, "epoch"

    @staticmethod
    def duration() -> timedelta:
        """Return for how long a lease lasts without being prolonged."""
        return settings.MOREH_TICK_LEASE

    @property
    def group_id(self) -> int:
        """Return the id of the group, which is that of its queue."""
        return self.pk

    def check(self) -> None:
        """Lock the queue until this transaction ends, and prolong the lease. Raises LeaseLost."""
        queue = Queue.objects.select_for_update(no_key=True).get(pk=self.pk)
        if queue.epoch != self.number:
            raise self.lost()
        self.prolong()

    def share_lock(self) -> None:
        """Lock the epoch for a second transaction at the same time as that of `check`; PostgreSQL only.

        Raises LeaseLost.
        """
        with connection.cursor() as cursor:
            cursor.execute(SHARE, [self.pk, self.number])
            if cursor.rowcount != 1:
                raise self.lost()

    def release_unless_wanted(self) -> bool:
        """Release the lease; keep it and return False if another cycle is wanted. Raises LeaseLost."""
        if self.rows().filter(wanted=False).update(lease_until=None):
            return True
        if not self.rows().update(wanted=False, ticked_at=db_now()):
            raise self.lost()
        return False


def acquire(group_id: int) -> QueueLease | None:
    """Take the lease of a group's queue under a new epoch; if it is taken, store that another cycle is wanted."""
    with transaction.atomic():
        queue = _locked(group_id)
        now = db_now()
        if is_leased(queue, now):
            Queue.objects.filter(pk=group_id).update(wanted=True)
            return None
        keep_ids_new(now)
        return QueueLease.take(queue, now, wanted=False, ticked_at=now)


def _locked(group_id: int) -> Queue:
    rows = Queue.objects.select_for_update()
    return rows.filter(pk=group_id).first() or rows.get_or_create(pk=group_id)[0]
