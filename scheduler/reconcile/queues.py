"""Checks of queues: their leases end, and their heads wait."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from core.clock import db_now
from scheduler.models import WAITING, Job, Queue
from scheduler.reconcile.checks import Check
from scheduler.signals import queue_changed

# Every tick stores the head again. One tick may have been killed, but not all ticks of a minute.
LONG_AGO = timedelta(minutes=1)


def _held_for_ever() -> QuerySet[Queue]:
    """A lease ends at most MOREH_TICK_LEASE after its holder has died."""
    return Queue.objects.filter(lease_until__gt=db_now() + 2 * settings.MOREH_TICK_LEASE)


def _free(queue: Queue) -> str:
    """End the lease under a new epoch, so that late writes of its holder fail."""
    Queue.objects.filter(pk=queue.pk).update(epoch=F("epoch") + 1, lease_until=None)
    queue_changed.send(Job, group_id=queue.pk)
    return f"its queue was leased until {queue.lease_until:%Y-%m-%dT%H:%M:%SZ}"


def _headless() -> QuerySet[Queue]:
    """The head of a queue is a job that waits in it."""
    here = Job.objects.filter(WAITING, group=OuterRef("pk"), sda__reserved=False)
    left = Job.objects.filter(pk=OuterRef("head")).exclude(WAITING & Q(group=OuterRef("pk")))
    when = db_now() - LONG_AGO
    long_gone = left.filter(Q(ended_at__lt=when) | Q(submitted_at__lt=when))
    ticked = Queue.objects.filter(lease_until=None, ticked_at__gt=when)
    return ticked.filter(Exists(here.filter(requested_at__lt=when)), Exists(long_gone)).exclude(head=0)


def _plan_again(queue: Queue) -> str:
    Queue.objects.filter(pk=queue.pk).update(head=0)
    queue_changed.send(Job, group_id=queue.pk)
    return f"job {queue.head} was said to block its queue, but it does not wait there"


CHECKS = (Check(_held_for_ever, _free), Check(_headless, _plan_again))
