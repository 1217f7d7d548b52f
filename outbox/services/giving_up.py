"""Giving up what nobody could send in time: it is stale news by then, and never sent late."""

from datetime import datetime

from outbox.choices import DELIVERY_TRANSITIONS, DeliveryState
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.queries import expired_messages, late_deliveries
from outbox.signals import deliveries_failed

BATCH = 5000


def give_up_late(channel: Channel, now: datetime) -> bool:
    """End as FAILED what a locked channel should have got by now, in a batch; return whether there was anything."""
    messages = list(expired_messages(now, channel.pk).order_by("pk").values_list("pk", flat=True)[:BATCH])
    waiting = list(late_deliveries(now, channel.pk).order_by("pk").values_list("pk", flat=True)[:BATCH])
    number = fail_deliveries(messages, now)
    if messages:
        OutgoingMessage.objects.filter(pk__in=messages).update(next_at=None)
    if waiting:
        rows = Delivery.objects.filter(pk__in=waiting, state=DeliveryState.PENDING)
        number += rows.update(state=DeliveryState.FAILED, ended_at=now)
    report_given_up(channel, number, now)
    return bool(messages or waiting)


def end_deliveries(message_ids: list[int], state: DeliveryState, now: datetime) -> int:
    """End the deliveries of some messages; return how many."""
    rows = Delivery.objects.filter(message__in=message_ids, state__in=DELIVERY_TRANSITIONS.before(state))
    return rows.update(state=state, ended_at=now) if message_ids else 0


def fail_deliveries(message_ids: list[int], now: datetime) -> int:
    """End the deliveries of messages that are given up; return how many, with those that some recipients got."""
    if not message_ids:
        return 0
    reached = Delivery.objects.filter(message__in=message_ids, state=DeliveryState.SENT).count()
    return reached + end_deliveries(message_ids, DeliveryState.FAILED, now)


def report_given_up(channel: Channel, number: int, now: datetime) -> None:
    """Announce that deliveries of a locked channel were given up, until it accepts something; nothing for none."""
    if not number:
        return
    channel.reported_at = channel.reported_at or now
    channel.save(update_fields=["reported_at"])
    deliveries_failed.send(Delivery, channel_id=channel.pk, number=number)
