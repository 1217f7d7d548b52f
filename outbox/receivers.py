"""What this app does about its own signals."""

from collections.abc import Iterable

from django.dispatch import receiver

from core.wakeups import enqueue_once_on_commit
from outbox.signals import deliveries_enqueued
from outbox.tasks import send_channel


@receiver(deliveries_enqueued)
def on_deliveries_enqueued(*, channel_ids: Iterable[int], **_signal: object) -> None:
    """Have a worker send on commit."""
    for channel_id in channel_ids:
        enqueue_once_on_commit(send_channel, channel_id=channel_id)
