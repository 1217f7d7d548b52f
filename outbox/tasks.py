"""Celery entry points."""

from celery import shared_task

from core.clock import db_now
from core.wakeups import accept_wakeup, enqueue
from outbox import work
from outbox.queries import due_channels
from outbox.services.channels import forget_old_secrets
from outbox.services.sweeping import delete_old, give_up_waiting


@shared_task(ignore_result=True)
def send_channel(*, channel_id: int, **_future: object) -> None:
    """Send what a channel is to get for a while, then enqueue the rest: other channels have their turn in between."""
    accept_wakeup(send_channel, channel_id=channel_id)
    if work.send_channel(channel_id):
        enqueue(send_channel, channel_id=channel_id)


@shared_task(ignore_result=True)
def pick_up() -> None:
    """Enqueue the channels that have something to send: it became due, or the message or worker was lost."""
    for channel_id in due_channels(db_now()):
        enqueue(send_channel, channel_id=channel_id)


@shared_task(ignore_result=True)
def tidy() -> None:
    """End as FAILED what nobody could send, and delete what is old."""
    give_up_waiting()
    delete_old()
    forget_old_secrets()
