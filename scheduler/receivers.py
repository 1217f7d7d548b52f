from functools import partial

from django.db import transaction
from django.dispatch import receiver

from backends.signals import devices_freed, power_seen_off
from moreh_cloud.lib.bell import ring_on_commit, ring_once, ring_once_on_commit
from scheduler.shortcut import start_at_once
from scheduler.signals import job_accepted, queue_changed
from scheduler.tasks import sweep, tick


@receiver(devices_freed)
def on_devices_freed(*, group_ids: list[int], **_signal: object) -> None:
    for group_id in group_ids:
        ring_once_on_commit(tick, group_id=group_id)


@receiver(job_accepted)
def on_job_accepted(*, group_id: int, **_signal: object) -> None:
    transaction.on_commit(partial(_start_or_ring, group_id))


def _start_or_ring(group_id: int) -> None:
    if not start_at_once(group_id):
        ring_once(tick, group_id=group_id)


@receiver(queue_changed)
def on_queue_changed(*, group_id: int, **_signal: object) -> None:
    ring_once_on_commit(tick, group_id=group_id)


@receiver(power_seen_off)
def on_power_seen_off(**_signal: object) -> None:
    ring_on_commit(sweep)
