"""What channels have heard of alerts already, by whatever rule, and what they are to hear later."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max, Q, QuerySet

from alerts.choices import SEVERITY
from notifications.messages import ALERT
from outbox.choices import DeliveryState
from outbox.models import Delivery
from outbox.queries import LIVE_CHANNEL

HEARD = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)


class LastHeard(NamedTuple):
    """What a channel heard last of an alert: how urgent it was, when it was stored, and its group, that of a rule."""

    severity: int
    at: datetime
    group: str


def last_heard_of(
    alert_ids: Collection[int], channel_ids: Collection[int] | None = None
) -> Mapping[tuple[int, int], LastHeard]:
    """Return what some channels, or all that exist, heard last of some alerts, by channel and alert, in one query.

    What was given up or canceled does not count: nobody heard it.
    """
    about = {f"alert/{pk}": pk for pk in alert_ids}
    whose = LIVE_CHANNEL if channel_ids is None else Q(channel__in=channel_ids)
    rows = Delivery.objects.filter(whose, kind=ALERT, ordering_key__in=about, state__in=HEARD)
    last = rows.order_by().values("ordering_key", "channel").annotate(last=Max("pk")).values("last")
    columns = ("channel_id", "ordering_key", "payload", "created_at", "group_key")
    found = Delivery.objects.filter(pk__in=last).values_list(*columns)
    return {
        (channel, about[key]): LastHeard(SEVERITY.get(payload.get("level", ""), -1), at, group)
        for channel, key, payload, at, group in found
    }


def waiting_for(channel_ids: Collection[int], now: datetime) -> QuerySet[Delivery, tuple[int, int, str, str, datetime]]:
    """Return what channels are to get of alerts later than now: pk, channel, about, group and when it is due."""
    rows = Delivery.objects.filter(kind=ALERT, channel__in=channel_ids, state=DeliveryState.PENDING, not_before__gt=now)
    return rows.order_by("pk").values_list("pk", "channel_id", "ordering_key", "group_key", "not_before")
