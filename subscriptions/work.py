"""What workers carry out: reading the event log for subscriptions, behind the watermark."""

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from django.db import transaction

from core.masking import masked
from events.settled import advance_settled
from outbox.services import NewDelivery, enqueue
from subscriptions.choices import EVENTS, PREFIXES
from subscriptions.models import Feed, Subscription
from subscriptions.queries import events_between, live_subscriptions
from subscriptions.services import locked_feed

RUN_S = 2.0
BATCH = 5000  # events in one transaction


def feed() -> None:
    """Enqueue the events that were settled since the last time. Safe to run twice, at the same time or late."""
    settled, until = advance_settled(), monotonic() + RUN_S
    while _feed_some(settled) and monotonic() < until:
        pass


@transaction.atomic
def _feed_some(settled: int) -> bool:
    """Enqueue events and store how far, in one transaction; return whether there are more."""
    row = locked_feed(settled)
    if row.position >= settled:
        return False
    wanted = list(live_subscriptions())
    kinds = {kind for subscription in wanted for kind in subscription.kinds}
    events = events_between(row.position, settled, kinds, BATCH)
    enqueue(_deliveries(wanted, events))
    more = len(events) == BATCH
    Feed.objects.filter(pk=1).update(position=events[-1][0] if more else settled)
    return more


def _deliveries(wanted: Sequence[Subscription], events: Sequence[tuple[Any, ...]]) -> Iterator[NewDelivery]:
    kinds = {prefix: kind for kind, prefix in PREFIXES.items()}
    for number, action, subject, token, actor, at, request in events:
        kind = kinds[subject.partition("/")[0] + "/"]
        payload = {
            "id": number,
            "type": f"{kind.lower()}.{action.lower()}",
            "action": action,
            "subject": subject,
            "token": token,
            "actor": actor,
            "eventTime": written(at),
            "request": masked(request),
        }
        for one in wanted:
            if kind in one.kinds and number > one.since_id:
                yield NewDelivery(one.channel_id, EVENTS, payload, subject[:128], EVENTS)


def written(at: Any) -> str:
    """Return a time as it stands in payloads."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
