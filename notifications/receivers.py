"""What this app does about signals of the apps below."""

from collections.abc import Sequence

import structlog
from django.db import DatabaseError, transaction
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category, SubjectKind
from alerts.codes import Code
from alerts.services import AlertChange, clear_alert, raise_alert
from alerts.signals import alerts_changed
from alerts.subjects import Subject, SubjectSource, register
from core.stored_text import StoredText
from notifications.services.notifying import notify_of_changes
from outbox.choices import AttemptResult
from outbox.models import Channel
from outbox.signals import channel_failing, channel_recovered, deliveries_failed

log = structlog.get_logger(__name__)
register({SubjectKind.CHANNEL: SubjectSource(Channel, name="name")})


@receiver(alerts_changed)
def on_alerts_changed(*, changes: Sequence[AlertChange], **_signal: object) -> None:
    """Store what rules say of the changes, in their transaction; what goes wrong here prevents no alert."""
    try:
        with transaction.atomic():
            notify_of_changes(changes)
    except DatabaseError:
        raise  # the caller's transaction may be lost
    except Exception:
        log.exception("notification_failed", alerts=[change.alert_id for change in changes])


@receiver(channel_failing)
def on_channel_failing(*, channel_id: int, result: str, code: int | None, **_signal: object) -> None:
    """Raise an alert: other channels may tell of it."""
    name = Channel.objects.values_list("name", flat=True).get(pk=channel_id)
    error = [AttemptResult(result), *([code] if code else [])]
    raise_alert(Code.DELIVERY_FAILED, Subject(SubjectKind.CHANNEL, channel_id), channel=name, error=error)


@receiver(deliveries_failed)
def on_deliveries_failed(*, channel_id: int, number: int, **_signal: object) -> None:
    """Raise an alert, which is over once the channel accepts something."""
    name = Channel.objects.values_list("name", flat=True).get(pk=channel_id)
    error = StoredText(_("%(number)s given up"), {"number": number})
    raise_alert(Code.DELIVERY_FAILED, Subject(SubjectKind.CHANNEL, channel_id), channel=name, error=[error])


@receiver(channel_recovered)
def on_channel_recovered(*, channel_id: int, **_signal: object) -> None:
    """Clear the alert."""
    clear_alert(Category.DELIVERY_FAILED, Subject(SubjectKind.CHANNEL, channel_id))
