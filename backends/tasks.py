"""Celery entry points."""

from celery import shared_task

from backends import work
from backends.queries import due_actions
from backends.services.power_waiting import due_for_drain, release_drained
from core.apart import each_apart
from core.clock import db_now
from core.wakeups import enqueue


@shared_task(ignore_result=True)
def drive_power(*, action_id: int, **_future: object) -> None:
    """Carry out one power action."""
    work.drive(action_id)


@shared_task(ignore_result=True)
def sweep_power() -> None:
    """Read the power of every BMC whose last reading is not recent."""
    work.sweep_power()


@shared_task(ignore_result=True)
def probe_bmcs() -> None:
    """Test which BMCs accept commands without a password."""
    work.probe_bmcs()


@shared_task(ignore_result=True)
def monitor_bmcs() -> None:
    """Read the sensors and event logs of the BMCs that were not read for a while."""
    work.monitor_bmcs()


@shared_task(ignore_result=True)
def pick_up_power() -> None:
    """Enqueue the power actions that no worker carries out, because it waited, or the message or worker was lost."""
    each_apart(due_for_drain(), release_drained, "drain_not_released")
    for action_id in due_actions(db_now()):
        enqueue(drive_power, action_id=action_id)
