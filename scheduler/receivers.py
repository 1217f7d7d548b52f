"""Receivers of signals: what the scheduler does when rows have changed."""

from functools import partial

from django.db import transaction
from django.dispatch import receiver

from backends.signals import devices_freed, maintenance_changed, power_reported_off
from core.wakeups import enqueue_on_commit, enqueue_once, enqueue_once_on_commit, publish_on_commit
from scheduler.choices import LIVE
from scheduler.cycle.fast_path import try_fast_path
from scheduler.models import Job
from scheduler.services.lost_nodes import power_down_backends
from scheduler.signals import job_accepted, queue_changed
from scheduler.tasks import maintain, sweep, tick
from tokens.signals import token_rotated


@receiver(devices_freed)
def on_devices_freed(*, group_ids: list[int], **_signal: object) -> None:
    """Enqueue a cycle of each group that has more free devices."""
    for group_id in group_ids:
        enqueue_once_on_commit(tick, group_id=group_id)


@receiver(job_accepted)
def on_job_accepted(*, group_id: int, **_signal: object) -> None:
    """Start the job by the fast path on commit, or enqueue a cycle of its group."""
    transaction.on_commit(partial(_start_or_enqueue, group_id))


def _start_or_enqueue(group_id: int) -> None:
    """Try the fast path; else have a worker run a cycle."""
    if not try_fast_path(group_id):
        enqueue_once(tick, group_id=group_id)


@receiver(queue_changed)
def on_queue_changed(*, group_id: int, **_signal: object) -> None:
    """Enqueue a cycle of the group."""
    enqueue_once_on_commit(tick, group_id=group_id)


@receiver(maintenance_changed)
def on_maintenance_changed(**_signal: object) -> None:
    """Enqueue what the change of a maintenance window needs at once."""
    enqueue_once_on_commit(maintain)


@receiver(token_rotated)
def on_token_rotated(*, token_id: int, **_signal: object) -> None:
    """Wake the streams of the token's live jobs: those that presented its former value must end."""
    live = Job.objects.filter(token=token_id, status__in=LIVE)
    publish_on_commit("job", live.values_list("pk", flat=True))


@receiver(power_reported_off)
def on_power_seen_off(*, backend_ids: list[int], **_signal: object) -> None:
    """Take nodes that were seen off out of service; enqueue a sweep where that failed."""
    if not power_down_backends(backend_ids):
        enqueue_on_commit(sweep)
