"""What this app does about signals of the apps below."""

from collections.abc import Sequence

import structlog
from django.db import DatabaseError, transaction
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category, Level, SubjectKind
from alerts.codes import Code
from alerts.models import OPEN
from alerts.queries import alerts_about
from alerts.services import AlertChange, clear_alert, raise_alert
from alerts.signals import alerts_changed
from alerts.subjects import Subject, SubjectSource, register
from core.stored_text import StoredText
from events.actor import Actor
from notifications.services.notifying import notify_of_changes
from notifications.services.rules import release_channel
from outbox.choices import AttemptResult
from outbox.models import Channel
from outbox.signals import channel_changed, channel_deleted, channel_failing, channel_recovered, deliveries_failed

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


@receiver(channel_changed)
def on_channel_changed(*, channel_id: int, **_signal: object) -> None:
    """Clear the alert; it says why, because nobody knows yet whether the channel works."""
    _end_alert(channel_id, Code.CHANNEL_CHANGED)


@receiver(channel_deleted)
def on_channel_deleted(*, channel_id: int, actor: Actor, force: bool, **_signal: object) -> None:
    """Take the channel from rules, and clear its alert, which says why. Raises ChannelInUse."""
    release_channel(channel_id, actor=actor, force=force)
    _end_alert(channel_id, Code.CHANNEL_DELETED)


def _end_alert(channel_id: int, code: Code) -> None:
    """Clear the alert of a channel, if one is open, with another text than that of the failure."""
    subject = Subject(SubjectKind.CHANNEL, channel_id)
    rows = alerts_about(subject).filter(OPEN, category=Category.DELIVERY_FAILED)
    level = rows.values_list("level", flat=True).first()
    if level is not None:
        name = Channel.objects.values_list("name", flat=True).get(pk=channel_id)
        raise_alert(code, subject, level=Level(level), channel=name)
        clear_alert(Category.DELIVERY_FAILED, subject)
