"""What is to be sent is stored here, in the transaction of what it tells of."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from core.bulk import insert_rows
from core.clock import db_now
from outbox.choices import DELIVERY_TRANSITIONS, DeliveryState
from outbox.models import Delivery
from outbox.signals import deliveries_enqueued

COLUMNS = ("channel_id", "kind", "payload", "ordering_key", "group_key", "state", "created_at", "not_before")


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What a channel is to get. The payload holds no secret; a renderer of the kind makes a message of it.

    Deliveries of one channel with the same `ordering_key` arrive one after the other, in their order; those with the
    same kind and `group_key` that are due together are one message.
    """

    channel_id: int
    kind: str
    payload: Mapping[str, Any]
    ordering_key: str = ""
    group_key: str = ""
    not_before: datetime | None = field(default=None)


def enqueue(deliveries: Iterable[NewDelivery]) -> int:
    """Store deliveries in the caller's transaction, in one statement, and return how many; workers begin on commit.

    Deliveries of a channel that is switched off wait; those of a deleted one are canceled by the next sweep.
    """
    now = db_now()
    new = list(deliveries)
    if not new:
        return 0
    rows = [
        (one.channel_id, one.kind, one.payload, one.ordering_key, one.group_key, DeliveryState.PENDING, now,
         one.not_before or now)
        for one in new
    ]  # fmt: skip
    insert_rows(Delivery, COLUMNS, rows)
    due = {one.channel_id for one in new if one.not_before is None or one.not_before <= now}
    deliveries_enqueued.send(Delivery, channel_ids=sorted(due))
    return len(rows)


def cancel_deliveries(*, ordering_keys: Collection[str], channel_ids: Collection[int] | None = None) -> int:
    """Cancel what waits about some things, in all channels or in some; return how many. What is being sent is not."""
    rows = Delivery.objects.filter(ordering_key__in=ordering_keys)
    if channel_ids is not None:
        rows = rows.filter(channel__in=channel_ids)
    return cancel_rows(rows)


def cancel_rows(rows: QuerySet[Delivery]) -> int:
    """Cancel those of some deliveries that wait; return how many."""
    waiting = rows.filter(state=DeliveryState.PENDING)
    assert DeliveryState.PENDING in DELIVERY_TRANSITIONS.before(DeliveryState.CANCELED)
    return waiting.update(state=DeliveryState.CANCELED, ended_at=db_now())
