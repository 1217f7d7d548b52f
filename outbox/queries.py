"""Named reads of channels, deliveries and attempts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery

from core.lease import not_leased
from core.tombstone import LIVE
from outbox.choices import DeliveryState
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage

LIVE_CHANNEL = Q(channel__deleted_at__isnull=True)


def live_channels() -> QuerySet[Channel]:
    """Return the channels that are not deleted."""
    return Channel.objects.live().order_by("name", "id")


def with_last_attempt(rows: QuerySet[Any], channel: str = "pk") -> QuerySet[Any]:
    """Return rows with `last_result` and `last_attempt_at` of the channel whose id is in a column; None without one."""
    log = Attempt.objects.filter(channel=OuterRef(channel)).order_by("-pk")
    latest: dict[str, Any] = {
        name: Subquery(log.values(column)[:1])
        for name, column in (("last_result", "result"), ("last_attempt_at", "at"))
    }
    found: QuerySet[Any] = rows.annotate(**latest)
    return found


def deliveries() -> QuerySet[Delivery]:
    """Return the deliveries with channel and message, the newest first."""
    return Delivery.objects.select_related("channel", "message").order_by("-pk")


def delivery_ahead(row: Delivery) -> Delivery | None:
    """Return the delivery about the same thing that is being sent, which a waiting one comes after; None for none."""
    if not row.ordering_key:
        return None
    same = Delivery.objects.filter(channel=row.channel_id, ordering_key=row.ordering_key)
    return same.filter(state=DeliveryState.SENDING).order_by("pk").first()


def attempts() -> QuerySet[Attempt]:
    """Return the delivery log, the newest first."""
    return Attempt.objects.select_related("channel", "message").order_by("-pk")


def due_messages(channel_id: int, now: datetime) -> QuerySet[OutgoingMessage]:
    """Return the messages of a channel whose next attempt is due, the longest due first; not what is given up."""
    rows = OutgoingMessage.objects.filter(channel=channel_id, next_at__lte=now, give_up_at__gt=now)
    return rows.order_by("next_at", "pk")


def expired_messages(now: datetime, *channel_ids: int) -> QuerySet[OutgoingMessage]:
    """Return the messages, of some channels or of all, that are given up now."""
    rows = OutgoingMessage.objects.filter(next_at__isnull=False, give_up_at__lte=now)
    return rows.filter(channel__in=channel_ids) if channel_ids else rows


def late_deliveries(now: datetime, *channel_ids: int) -> QuerySet[Delivery]:
    """Return what waits without an attempt, for some channels or for all, and is given up now."""
    rows = Delivery.objects.filter(state=DeliveryState.PENDING, not_before__lte=now - settings.MOREH_OUTBOX_GIVE_UP)
    return rows.filter(channel__in=channel_ids) if channel_ids else rows


def due_channels(now: datetime, *channel_ids: int) -> Sequence[int]:
    """Return the channels, of some or of all, that have something to send now and no worker at it."""
    message = OutgoingMessage.objects.filter(channel=OuterRef("pk"), next_at__lte=now)
    delivery = Delivery.objects.filter(channel=OuterRef("pk"), state=DeliveryState.PENDING, not_before__lte=now)
    ready = Channel.objects.filter(LIVE, not_leased(now), Q(next_at=None) | Q(next_at__lte=now), enabled=True)
    rows = ready.filter(Exists(message) | Exists(delivery), **({"pk__in": channel_ids} if channel_ids else {}))
    return list(rows.order_by("pk").values_list("pk", flat=True))


def backlog() -> Mapping[str, tuple[int, datetime | None]]:
    """Return by name of a channel how many deliveries are under way, and since when the oldest is due (or will be)."""
    names = live_channels().values_list("name", flat=True)
    found: dict[str, tuple[int, datetime | None]] = dict.fromkeys(names, (0, None))
    rows = Delivery.objects.filter(LIVE_CHANNEL, state__in=("PENDING", "SENDING")).order_by()
    counts = rows.values_list("channel__name").annotate(Count("pk"), Min("not_before"))
    return found | {name: (number, since) for name, number, since in counts}


class ChannelCounts(NamedTuple):
    """How many channels are switched on, and how many of these do not accept messages."""

    enabled: int
    failing: int


def count_channels() -> ChannelCounts:
    """Count the channels that are switched on, and those of them that fail, in one query."""
    failing = Count("pk", filter=Q(failing_since__isnull=False))
    found = live_channels().filter(enabled=True).order_by().aggregate(enabled=Count("pk"), failing=failing)
    return ChannelCounts(**found)
