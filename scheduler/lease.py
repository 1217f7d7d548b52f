from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from moreh_cloud.lib.clock import db_now
from scheduler.errors import LeaseLost
from scheduler.models import Queue

# The holder of the lock of `check` lets these in; who takes the lease (FOR UPDATE) waits for them.
SHARE = "SELECT FROM scheduler_queue WHERE group_id = %s AND epoch = %s FOR KEY SHARE"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a group's decisions, as long as nobody has taken a later epoch."""

    group_id: int
    epoch: int

    def check(self) -> None:
        """Lock the queue for this transaction and prolong the lease. Raises LeaseLost."""
        queue = Queue.objects.select_for_update(no_key=True).get(pk=self.group_id)
        if queue.epoch != self.epoch:
            raise LeaseLost(group=self.group_id)
        Queue.objects.filter(pk=self.group_id).update(lease_until=db_now() + settings.MOREH_TICK_LEASE)

    def share(self) -> None:
        """Keep the epoch for a transaction beside the one that has checked; PostgreSQL only. Raises LeaseLost."""
        with connection.cursor() as cursor:
            cursor.execute(SHARE, [self.group_id, self.epoch])
            if cursor.rowcount != 1:
                raise LeaseLost(group=self.group_id)
