"""Taking what a channel is to get, and storing what came of it: the worker's transactions, under its lease.

A message's id and content are stored before it leaves. A worker that dies leaves the message due, and the next one
sends the same again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from core.bulk import update_rows
from core.clock import db_now
from core.crypto import unreadable_secrets
from core.lease import Lease, is_leased
from core.texts import cleaned
from outbox.choices import ChannelKind, DeliveryState
from outbox.due import due_deliveries
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.queries import due_messages
from outbox.rendering import Payloads, render_message
from outbox.sending import Outgoing
from outbox.sending.mail import mail_content
from outbox.sending.webhook import slack_content, webhook_content
from outbox.services.giving_up import give_up_late
from outbox.services.grouping import WaitingDelivery, grouped, how_many_fit
from outbox.services.outcomes import Sent, settle

LEASE = timedelta(seconds=15)  # a worker prolongs it while it sends; one that is dead is replaced after this
MOST_TAKEN = 64  # messages at once
MOST_OPEN = 1000  # messages of one channel that wait for another attempt; no new ones meanwhile
LOOKED_AT = 1000  # deliveries from which new messages are made at once
log = structlog.get_logger(__name__)


class ChannelLease(Lease):
    """A worker's right to send what a channel is to get."""

    model, counter = Channel, "attempt"

    @staticmethod
    def duration() -> timedelta:
        return LEASE


@transaction.atomic
def lease_channel(channel_id: int) -> ChannelLease | None:
    """Take a channel that nobody sends for and that may be tried now; None when there is nothing to do.

    What should have been sent by now is given up before.
    """
    now = db_now()
    rows = Channel.objects.live().select_for_update(no_key=True).filter(pk=channel_id, enabled=True)
    channel = rows.first()
    if channel is None or is_leased(channel, now) or (channel.next_at and channel.next_at > now):
        return None
    give_up_late(channel, now)
    return ChannelLease.take(channel, now)


@transaction.atomic
def take_messages(lease: ChannelLease) -> list[tuple[OutgoingMessage, Outgoing]]:
    """Return the messages that are to be sent now: those that are due again, and new ones of what waits.

    While the channel fails it is one message, the one that waits the longest. Raises LeaseLost.
    """
    now = db_now()
    channel = lease.rows().select_for_update(no_key=True).first()
    if channel is None:
        raise lease.lost()
    if not channel.enabled or channel.deleted_at or (channel.next_at and channel.next_at > now):
        return []
    most = 1 if channel.failures else MOST_TAKEN
    messages = list(due_messages(channel.pk, now)[:most])
    room = min(most, MOST_OPEN - _count_open(channel.pk)) - len(messages)
    messages += _new_messages(channel, room, now) if room > 0 else []
    return [(message, outgoing_of(channel, message)) for message in messages]


def outgoing_of(channel: Channel, message: OutgoingMessage) -> Outgoing:
    """Return a message with where its channel sends it."""
    login: dict[str, str] = {} if channel.kind == ChannelKind.MAIL else _secrets_of(channel)
    return Outgoing(
        channel.kind,
        message.uid,
        message.content,
        message.created_at,
        recipients=channel.recipients,
        settled=message.settled,
        **login,
    )


def _secrets_of(channel: Channel) -> dict[str, str]:
    """Return address and secret; empty ones, which send nothing, where no key decrypts them."""
    damaged = unreadable_secrets(channel)
    if "url" in damaged or "secret" in damaged:
        return {}
    until = channel.old_secret_until
    valid = until is not None and until > db_now() and "old_secret" not in damaged
    return {"url": channel.url, "secret": channel.secret, "old_secret": channel.old_secret if valid else ""}


def _count_open(channel_id: int) -> int:
    """Count what nobody has yet: mails that some recipients are left of hold up no others."""
    rows = OutgoingMessage.objects.filter(channel=channel_id, next_at__isnull=False, settled={})
    return rows[:MOST_OPEN].count()


def _new_messages(channel: Channel, room: int, now: datetime) -> list[OutgoingMessage]:
    """Make messages of what waits, in order, and store them with their content."""
    looked_at = due_deliveries(channel.pk, now, WaitingDelivery._fields, LOOKED_AT)
    chosen = grouped(map(WaitingDelivery._make, looked_at), room)
    waiting = _locked([pk for group in chosen for pk in group])
    groups = [_fitting(found) for group in chosen if (found := [waiting[pk] for pk in group if pk in waiting])]
    messages = [make_message(channel, group, now) for group in groups]
    OutgoingMessage.objects.bulk_create(messages)
    taken = (
        (row.pk, DeliveryState.SENDING, message.pk)
        for message, group in zip(messages, groups, strict=True)
        for row in group
    )
    update_rows(Delivery, ("state", "message_id"), taken)
    return messages


def _fitting(group: list[Delivery]) -> list[Delivery]:
    """Return those of a group that are one message; none of the others passes one with its ordering key."""
    return group[: how_many_fit([row.payload for row in group])]


def _locked(pks: Sequence[int]) -> dict[int, Delivery]:
    """Lock deliveries; those that were canceled meanwhile are left out."""
    rows = Delivery.objects.filter(pk__in=pks, state=DeliveryState.PENDING).order_by("pk")
    return {row.pk: row for row in rows.select_for_update(no_key=True)}


def make_message(channel: Channel, group: Sequence[Delivery], now: datetime) -> OutgoingMessage:
    """Return a message of some deliveries in the channel's language, not stored yet; empty if it cannot be rendered."""
    kind = group[0].kind
    until = now + settings.MOREH_OUTBOX_GIVE_UP
    message = OutgoingMessage(channel=channel, kind=kind, created_at=now, next_at=now, give_up_at=until)
    fill(message, channel, [row.payload for row in group])
    return message


def fill(message: OutgoingMessage, channel: Channel, payloads: Payloads) -> None:
    """Render a message; one that fails is logged and stays empty."""
    try:
        told = render_message(message.kind, payloads, channel.language)
    except Exception:
        log.exception("message_not_rendered", kind=message.kind, channel=channel.pk)
        return
    message.subject = cleaned(told.subject, 255)
    match channel.kind:
        case ChannelKind.MAIL:
            message.content = mail_content(message.subject, told.text, told.html)
        case ChannelKind.SLACK:
            message.content = slack_content(told.subject, told.text)
        case _:
            message.content = webhook_content(told.type or message.kind, message.created_at, told.data)


@transaction.atomic
def store_outcomes(lease: ChannelLease, sent: Sequence[Sent]) -> None:
    """Store what came of attempts, and when the channel is tried next. Raises LeaseLost."""
    channel = lease.rows().select_for_update(no_key=True).first()
    if channel is None:
        raise lease.lost()
    settle(channel, sent)
