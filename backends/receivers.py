"""What this app does about its own signals."""

from django.dispatch import receiver

from backends.signals import power_requested
from backends.tasks import drive_power
from core.wakeups import enqueue_on_commit


@receiver(power_requested)
def on_power_requested(*, action_id: int, **_signal: object) -> None:
    """Wake a worker for the power action on commit."""
    enqueue_on_commit(drive_power, action_id=action_id)
