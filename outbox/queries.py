"""Named reads of channels, deliveries and attempts."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from core.lease import not_leased
from core.tombstone import LIVE
from outbox.choices import DeliveryState
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage


def live_channels() -> QuerySet[Channel]:
    """Return the channels that are not deleted."""
    return Channel.objects.live().order_by("name", "id")


def deliveries() -> QuerySet[Delivery]:
    """Return the deliveries with channel and message, the newest first."""
    return Delivery.objects.select_related("channel", "message").order_by("-pk")


def attempts() -> QuerySet[Attempt]:
    """Return the delivery log, the newest first."""
    return Attempt.objects.select_related("channel", "message").order_by("-pk")


def due_messages(channel_id: int, now: datetime) -> QuerySet[OutgoingMessage]:
    """Return the messages of a channel whose next attempt is due, the longest due first."""
    return OutgoingMessage.objects.filter(channel=channel_id, next_at__lte=now).order_by("next_at", "pk")


def due_deliveries(channel_id: int, now: datetime) -> QuerySet[Delivery]:
    """Return what a channel is to get now, in order.

    A delivery waits while one with its ordering key is being sent, or an earlier one is not due yet.
    """
    same = Delivery.objects.filter(channel=OuterRef("channel"), ordering_key=OuterRef("ordering_key"))
    ahead = Q(state=DeliveryState.SENDING) | Q(state=DeliveryState.PENDING, not_before__gt=now, pk__lt=OuterRef("pk"))
    waits = Exists(same.filter(ahead, state__in=("PENDING", "SENDING")))
    rows = Delivery.objects.filter(channel=channel_id, state=DeliveryState.PENDING, not_before__lte=now)
    return rows.exclude(~Q(ordering_key="") & Q(waits)).order_by("pk")


def due_channels(now: datetime, *channel_ids: int) -> Sequence[int]:
    """Return the channels, of some or of all, that have something to send now and no worker at it."""
    message = OutgoingMessage.objects.filter(channel=OuterRef("pk"), next_at__lte=now)
    delivery = Delivery.objects.filter(channel=OuterRef("pk"), state=DeliveryState.PENDING, not_before__lte=now)
    ready = Channel.objects.filter(LIVE, not_leased(now), Q(next_at=None) | Q(next_at__lte=now), enabled=True)
    rows = ready.filter(Exists(message) | Exists(delivery), **({"pk__in": channel_ids} if channel_ids else {}))
    return list(rows.order_by("pk").values_list("pk", flat=True))


def backlog() -> Mapping[int, tuple[int, datetime | None]]:
    """Return by channel how many deliveries are under way, and since when the oldest is due."""
    rows = Delivery.objects.filter(state__in=("PENDING", "SENDING")).order_by().values_list("channel_id")
    return {channel: (number, since) for channel, number, since in rows.annotate(Count("pk"), Min("not_before"))}


def failing_channels() -> int:
    """Count the channels that are switched on and do not accept messages."""
    return live_channels().filter(enabled=True, failing_since__isnull=False).count()
