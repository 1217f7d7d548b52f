"""What this app does about signals of the apps below: alerts are told in the transaction that raises or clears them."""

from typing import Any

from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from alerts.models import Alert
from alerts.queries import alerts_with
from alerts.signals import alerts_changed
from core.clock import db_now
from core.errors import Message
from core.stored_text import StoredText
from events.actor import SYSTEM
from outbox.models import Channel
from outbox.owners import register_owner
from outbox.services import NewDelivery, enqueue
from subscriptions.choices import EVENTS, EventKind
from subscriptions.queries import live_subscriptions
from subscriptions.work import written


@receiver(alerts_changed)
def on_alerts_changed(*, changes: list[Any], **_signal: object) -> None:
    """Enqueue changes of alerts for the subscriptions that want them."""
    wanted = [one for one in live_subscriptions() if EventKind.ALERT in one.kinds]
    if not wanted:
        return
    known = {one.alert.pk: one.alert for one in alerts_with([change.alert_id for change in changes])}
    at = written(db_now())
    payloads = [_payload(known[alert_id], str(change), at) for alert_id, change in changes]
    enqueue(NewDelivery(one.channel_id, EVENTS, told, told["subject"], EVENTS) for told in payloads for one in wanted)


def owner_of(channel: Channel) -> Message | None:
    """Return to which subscription a channel belongs."""
    name = live_subscriptions().filter(channel=channel).values_list("name", flat=True).first()
    told = _("The channel belongs to the subscription %(name)s: rename or delete the subscription.")
    return None if name is None else StoredText(told, {"name": name})


register_owner(owner_of)


def _payload(alert: Alert, change: str, at: str) -> dict[str, Any]:
    about = {"about": str(alert.subject), "category": alert.category, "level": alert.level}
    return {
        "id": None,  # alerts are not in the event log
        "type": f"alert.{change.lower()}",
        "action": change,
        "subject": f"alert/{alert.pk}",
        "token": None,
        "actor": SYSTEM.name,
        "eventTime": at,
        "request": {**about, "code": alert.code, "params": alert.params},
    }
