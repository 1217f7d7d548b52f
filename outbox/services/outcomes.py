"""What came of attempts: the delivery log, the states of deliveries, and how the channel is.

All of it is one transaction of the caller's, who has locked the channel.
"""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q

from core.bulk import insert_rows, update_rows
from core.clock import db_now
from core.measures import Counter
from outbox.choices import AttemptResult, DeliveryState
from outbox.models import Attempt, Channel, OutgoingMessage
from outbox.rendering import KINDS
from outbox.sending import SendOutcome
from outbox.services.giving_up import end_deliveries, fail_deliveries, report_given_up
from outbox.services.pauses import Pauses
from outbox.signals import channel_failing, channel_recovered
from outbox.testing import TEST

ATTEMPTS = Counter(
    "moreh_outbox_attempts_total", "Attempts to send messages, by kind of channel and result.", ("kind", "result")
)
LOG = ("message_id", "channel_id", "number", "at", "result", "code", "latency_ms", "size", "detail")


class Sent(NamedTuple):
    """A message with what came of an attempt to send it."""

    message: OutgoingMessage
    outcome: SendOutcome


def settle(channel: Channel, sent: Sequence[Sent], *, judged: bool = True) -> None:
    """Store what came of attempts of a locked channel; unless `judged` they say nothing about the channel.

    Of one that was deleted meanwhile they are logged, and nothing is tried again.
    """
    now, gone = db_now(), channel.deleted_at is not None
    _log(channel, sent, now)
    again = {one.message.pk: None if gone else _next_at(one, now) for one in sent}
    counts = ((one.message.pk, one.message.tries + 1, again[one.message.pk]) for one in sent)
    update_rows(OutgoingMessage, ("tries", "next_at"), counts)
    end_deliveries([one.message.pk for one in sent if one.outcome.accepted], DeliveryState.SENT, now)
    settled = [(one.message.pk, {**one.message.settled, **one.outcome.settled}) for one in sent if one.outcome.settled]
    update_rows(OutgoingMessage, ("settled",), settled)
    given_up = [one.message.pk for one in sent if again[one.message.pk] is None and not _is_over(one)]
    number = fail_deliveries(given_up, now)
    if judged and not gone:
        _judge(channel, [one.outcome for one in sent if not one.outcome.apart], now)
        report_given_up(channel, number, now)


def _log(channel: Channel, sent: Sequence[Sent], now: datetime) -> None:
    for one in sent:
        ATTEMPTS.add(channel.kind, one.outcome.result)
    rows = (
        (one.message.pk, channel.pk, one.message.tries + 1, now, one.outcome.result, one.outcome.code,
         one.outcome.latency_ms, one.outcome.size, one.outcome.detail)
        for one in sent
    )  # fmt: skip
    insert_rows(Attempt, LOG, rows)


def _is_over(one: Sent) -> bool:
    """Whether nothing is left to do for a message, also because the recipients that are left are refused for good."""
    outcome = one.outcome
    return (outcome.accepted or outcome.apart) and not (outcome.left and not _is_tried_once(one.message))


def _is_tried_once(message: OutgoingMessage) -> bool:
    kind = KINDS.get(message.kind)
    return not message.content or bool(kind and kind.attempted_once)


def _next_at(one: Sent, now: datetime) -> datetime | None:
    """Return when a message is tried again, None if never."""
    message, outcome = one
    if _is_over(one) or _is_tried_once(message):
        return None
    at = now + pauses().after(message.tries + 1, _chance(), outcome.retry_after)
    return at if at < message.give_up_at else None


def pauses() -> Pauses:
    """Return the pauses of the settings."""
    return Pauses(settings.MOREH_OUTBOX_RETRY_FIRST, settings.MOREH_OUTBOX_RETRY_MOST)


def _judge(channel: Channel, outcomes: Sequence[SendOutcome], now: datetime) -> None:
    """Store whether the channel works: with one message accepted it does; a failure that concerns all makes it wait.

    One that refuses each message for itself need not wait, but fails as well once it has accepted nothing for long.
    """
    failed = [outcome for outcome in outcomes if outcome.of_channel]
    asked = max((outcome.retry_after for outcome in failed if outcome.retry_after is not None), default=None)
    if any(outcome.accepted for outcome in outcomes):
        if channel.failures:  # what waits for its next attempt need not
            OutgoingMessage.objects.filter(channel=channel, next_at__gt=now).update(next_at=now)
        if channel.reported_at:
            channel_recovered.send(Channel, channel_id=channel.pk)
        channel.failures, channel.failing_since, channel.reported_at, channel.next_at = 0, None, None, None
        if asked is not None:
            channel.next_at = now + pauses().after(1, _chance(), asked)
    elif failed:
        channel.failures += 1
        channel.failing_since = channel.failing_since or now
        channel.next_at = now + pauses().after(channel.failures, _chance(), asked)
        _report(channel, failed[-1], now)
    elif refused := [outcome for outcome in outcomes if outcome.result != AttemptResult.NOT_RENDERED]:
        channel.failing_since = channel.failing_since or _refusing_since(channel, now)
        _report(channel, refused[-1], now)
    channel.save(update_fields=["failures", "failing_since", "reported_at", "next_at"])


def _refusing_since(channel: Channel, now: datetime) -> datetime | None:
    """Return since when nothing was accepted, None unless that is long ago; tests do not count as attempts."""
    rows = Attempt.objects.filter(channel=channel)
    last = rows.filter(result=AttemptResult.OK).order_by("-pk").values_list("pk", flat=True).first() or 0
    refused = rows.filter(pk__gt=last).exclude(Q(result=AttemptResult.NOT_RENDERED) | Q(message__kind=TEST))
    since = refused.order_by("pk").values_list("at", flat=True).first()
    return since if since and now - since >= settings.MOREH_OUTBOX_REPORT_AFTER else None


def _report(channel: Channel, outcome: SendOutcome, now: datetime) -> None:
    """Announce once that a channel has failed for long."""
    since = channel.failing_since
    if channel.reported_at or since is None or now - since < settings.MOREH_OUTBOX_REPORT_AFTER:
        return
    channel.reported_at = now
    channel_failing.send(Channel, channel_id=channel.pk, since=since, result=outcome.result, code=outcome.code)


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads attempts, guards nothing
