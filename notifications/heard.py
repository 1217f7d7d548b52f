"""What channels have heard of alerts already, by whatever rule."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max

from alerts.choices import SEVERITY
from notifications.messages import ALERT
from outbox.choices import DeliveryState
from outbox.models import Delivery

HEARD = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)


class LastHeard(NamedTuple):
    """What a channel heard last of an alert that is open: how urgent it was, and when it was stored."""

    severity: int
    at: datetime


def last_heard_of(alert_ids: Collection[int], channel_ids: Collection[int]) -> Mapping[tuple[int, int], LastHeard]:
    """Return what some channels heard last of some alerts, by channel and alert, in one query.

    What was given up or canceled does not count: nobody heard it.
    """
    about = {f"alert/{pk}": pk for pk in alert_ids}
    rows = Delivery.objects.filter(kind=ALERT, ordering_key__in=about, channel__in=channel_ids, state__in=HEARD)
    last = rows.order_by().values("ordering_key", "channel").annotate(last=Max("pk")).values("last")
    found = Delivery.objects.filter(pk__in=last).values_list("channel_id", "ordering_key", "payload", "created_at")
    severities: Mapping[str, int] = {level.value: severity for level, severity in SEVERITY.items()}
    return {
        (channel, about[key]): LastHeard(severities.get(payload.get("level", ""), -1), at)
        for channel, key, payload, at in found
    }
