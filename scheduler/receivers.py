from django.dispatch import receiver

from backends.signals import devices_freed, power_seen_off
from moreh_cloud.lib.bell import ring_on_commit, ring_once_on_commit
from scheduler.signals import queue_changed
from scheduler.tasks import sweep, tick


@receiver(devices_freed)
def on_devices_freed(*, group_ids: list[int], **_signal: object) -> None:
    for group_id in group_ids:
        ring_once_on_commit(tick, group_id=group_id)


@receiver(queue_changed)
def on_queue_changed(*, group_id: int, **_signal: object) -> None:
    ring_once_on_commit(tick, group_id=group_id)


@receiver(power_seen_off)
def on_power_seen_off(**_signal: object) -> None:
    ring_on_commit(sweep)
