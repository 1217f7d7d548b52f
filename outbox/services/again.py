"""Sending again what has ended: the same message, with the same id and content."""

from django.conf import settings
from django.db import transaction

from core.clock import db_now
from events.actor import Actor
from events.services import record
from outbox.choices import DELIVERY_TRANSITIONS, UNDER_WAY, DeliveryState
from outbox.errors import NotEnded, NothingToSend
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.services.sending import fill
from outbox.signals import deliveries_enqueued


@transaction.atomic
def send_again(delivery: Delivery, *, actor: Actor) -> None:
    """Send the message of a delivery again, with all deliveries in it; a receiver that has it knows it by its id.

    Raises NotEnded while it is under way, NothingToSend when it was canceled or its channel is deleted.
    """
    channel = Channel.objects.select_for_update(no_key=True).get(pk=delivery.channel_id)
    row = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
    if row.state in UNDER_WAY:
        raise NotEnded(id=row.pk)
    if row.state == DeliveryState.CANCELED or channel.deleted_at:
        raise NothingToSend(id=row.pk)
    now = db_now()
    until = now + settings.MOREH_OUTBOX_GIVE_UP
    if row.message is None:  # it was given up before any attempt
        Delivery.objects.filter(pk=row.pk).update(message=_new_message(channel, row))
        row.refresh_from_db()
    message = row.message
    assert message is not None
    group = Delivery.objects.filter(message=message, state__in=DELIVERY_TRANSITIONS.before(DeliveryState.SENDING))
    if not message.content:
        fill(message, channel, list(group.order_by("pk").values_list("payload", flat=True)))
        message.save(update_fields=["subject", "content"])
    number = group.update(state=DeliveryState.SENDING, ended_at=None)
    OutgoingMessage.objects.filter(pk=message.pk).update(next_at=now, give_up_at=until, settled={})
    record("RESEND_DELIVERY", actor=actor, subject=f"delivery/{row.pk}", channel=channel.name, deliveries=number)
    deliveries_enqueued.send(Delivery, channel_ids=[channel.pk])


def _new_message(channel: Channel, delivery: Delivery) -> OutgoingMessage:
    now = db_now()
    return OutgoingMessage.objects.create(channel=channel, kind=delivery.kind, created_at=now, give_up_at=now)
