"""What a channel is to get now. PostgreSQL looks at the others of each ordering key, SQLite reads all of them once."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from core.postgresql import is_postgresql
from outbox.choices import DeliveryState
from outbox.models import Delivery

KEYLESS = Q(ordering_key="")


def due_deliveries(channel_id: int, now: datetime, fields: Sequence[str], most: int) -> list[Any]:
    """Return fields of what a channel is to get now, in order, at most so many.

    A delivery waits while one with its ordering key is being sent, or an earlier one is not due yet. What was due for
    so long that it is given up is left out.
    """
    rows = due_rows(channel_id, now).values_list("pk", "ordering_key", *fields)
    if is_postgresql():
        return [row[2:] for row in rows[:most]]
    waits = dict(_not_due(channel_id, now).order_by().values_list("ordering_key").annotate(Min("pk")))
    passed = (row[2:] for row in rows.iterator() if waits.get(row[1], row[0]) >= row[0])
    return list(islice(passed, most))


def due_rows(channel_id: int, now: datetime) -> QuerySet[Delivery]:
    """Return what is due and not held up by what is being sent, in order; on PostgreSQL by nothing else either."""
    since = now - settings.MOREH_OUTBOX_GIVE_UP
    rows = _pending(channel_id).filter(not_before__lte=now, not_before__gt=since).order_by("pk")
    if is_postgresql():
        return rows.filter(KEYLESS | ~Exists(_ahead(now)))
    sending = Delivery.objects.filter(
        message__channel=channel_id, message__next_at__isnull=False, state=DeliveryState.SENDING
    )
    return rows.filter(KEYLESS | ~Q(ordering_key__in=sending.values("ordering_key")))


def _pending(channel_id: int) -> QuerySet[Delivery]:
    return Delivery.objects.filter(channel=channel_id, state=DeliveryState.PENDING)


def _not_due(channel_id: int, now: datetime) -> QuerySet[Delivery]:
    return _pending(channel_id).filter(not_before__gt=now).exclude(KEYLESS)


def _ahead(now: datetime) -> QuerySet[Delivery]:
    """Return what another delivery waits for."""
    same = Delivery.objects.filter(channel=OuterRef("channel"), ordering_key=OuterRef("ordering_key"))
    ahead = Q(state=DeliveryState.SENDING) | Q(state=DeliveryState.PENDING, not_before__gt=now, pk__lt=OuterRef("pk"))
    return same.filter(ahead, state__in=("PENDING", "SENDING"))
