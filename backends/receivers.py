from django.dispatch import receiver

from backends.signals import power_requested
from backends.tasks import drive_power
from moreh_cloud.lib.bell import ring_on_commit


@receiver(power_requested)
def on_power_requested(*, action_id: int, **_signal: object) -> None:
    ring_on_commit(drive_power, action_id=action_id)
