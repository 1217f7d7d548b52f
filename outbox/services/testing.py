"""A test message: sent at once by the caller's process, once, and stored in the delivery log like every message."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from core.clock import db_now
from core.crypto import SecretUnreadable, unreadable_secrets
from core.tombstone import hold
from events.actor import Actor
from events.services import record
from outbox.choices import DeliveryState
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage
from outbox.sending import Outgoing, Sender, SendOutcome
from outbox.services.channels import subject_of
from outbox.services.outcomes import Sent, settle
from outbox.services.sending import make_message, outgoing_of
from outbox.testing import TEST

LONGEST_WAIT = 6.0  # seconds: the caller waits for it
LEFT_ALONE = timedelta(minutes=1)  # workers do not send it meanwhile; afterwards its sender has died


def send_test(channel: Channel, *, actor: Actor) -> Attempt:
    """Send a test message, whatever state the channel is in, and return the true answer.

    Call it outside of a transaction: it waits for the receiver. Raises SecretUnreadable, Conflict for a deleted one.
    """
    message, outgoing = _store(channel, actor)
    sender = Sender(min(LONGEST_WAIT, settings.MOREH_OUTBOX_TIMEOUT.total_seconds()))
    try:
        outcome = sender.send(outgoing)
    finally:
        sender.close()
    return _settle(channel, message, outcome)


@transaction.atomic
def _store(channel: Channel, actor: Actor) -> tuple[OutgoingMessage, Outgoing]:
    hold(channel)
    if unreadable := unreadable_secrets(channel):
        raise SecretUnreadable(table=channel._meta.db_table, id=channel.pk, column=unreadable[0])
    now = db_now()
    delivery = Delivery(channel=channel, kind=TEST, payload={"channel": channel.name}, created_at=now, not_before=now)
    message = make_message(channel, [delivery], now)
    message.next_at = now + LEFT_ALONE
    message.save()
    delivery.message, delivery.state = message, DeliveryState.SENDING
    delivery.save()
    record("TEST_CHANNEL", actor=actor, subject=subject_of(channel))
    return message, outgoing_of(channel, message)


@transaction.atomic
def _settle(channel: Channel, message: OutgoingMessage, outcome: SendOutcome) -> Attempt:
    locked = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
    settle(locked, [Sent(message, outcome)], judged=outcome.accepted)
    found: Attempt = Attempt.objects.filter(message=message).order_by("-pk")[0]
    return found
