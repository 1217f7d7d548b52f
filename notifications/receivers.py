"""What this app does about signals of the apps below."""

from collections.abc import Sequence

from django.dispatch import receiver

from alerts.services import AlertChange
from alerts.signals import alerts_changed
from notifications.services.telling import tell_changes


@receiver(alerts_changed)
def on_alerts_changed(*, changes: Sequence[AlertChange], **_signal: object) -> None:
    """Store what rules say of the changes, in their transaction."""
    tell_changes(changes)
