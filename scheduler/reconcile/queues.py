"""Queues that nobody can plan, or that name a head that is none."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from moreh_cloud.lib.clock import db_now
from scheduler.models import WAITING, Job, Queue
from scheduler.reconcile.looks import Look
from scheduler.signals import queue_changed

# Every tick names the head anew; one tick may have been killed on the way, but not all of a minute.
LONG_AGO = timedelta(minutes=1)


def _held_for_ever() -> QuerySet[Queue]:
    """A lease is over soon after whoever took it has died."""
    return Queue.objects.filter(lease_until__gt=db_now() + 2 * settings.MOREH_TICK_LEASE)


def _free(queue: Queue) -> str:
    """Let the next tick in, under an epoch that makes the late writes of the last one void."""
    Queue.objects.filter(pk=queue.pk).update(epoch=F("epoch") + 1, lease_until=None)
    queue_changed.send(Job, group_id=queue.pk)
    return f"its queue was leased until {queue.lease_until:%Y-%m-%dT%H:%M:%SZ}"


def _headless() -> QuerySet[Queue]:
    """The head of a queue in which somebody waits waits there itself."""
    here = Job.objects.filter(WAITING, group=OuterRef("pk"), sda__reserved=False)
    left = Job.objects.filter(pk=OuterRef("head")).exclude(WAITING & Q(group=OuterRef("pk")))
    when = db_now() - LONG_AGO
    long_gone = left.filter(Q(ended_at__lt=when) | Q(submitted_at__lt=when))
    ticked = Queue.objects.filter(lease_until=None, ticked_at__gt=when)
    return ticked.filter(Exists(here.filter(requested_at__lt=when)), Exists(long_gone)).exclude(head=0)


def _look_again(queue: Queue) -> str:
    Queue.objects.filter(pk=queue.pk).update(head=0)
    queue_changed.send(Job, group_id=queue.pk)
    return f"job {queue.head} was said to block its queue, but it does not wait there"


LOOKS = (Look(_held_for_ever, _free), Look(_headless, _look_again))
