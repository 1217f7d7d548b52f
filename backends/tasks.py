from celery import shared_task

from backends import work
from backends.queries import due_actions
from moreh_cloud.lib.bell import ring
from moreh_cloud.lib.clock import db_now


@shared_task(ignore_result=True)
def drive_power(*, action_id: int, **_future: object) -> None:
    """Carry out one power action."""
    work.drive(action_id)


@shared_task(ignore_result=True)
def sweep_power() -> None:
    """Look at every BMC that was not looked at lately."""
    work.sweep_power()


@shared_task(ignore_result=True)
def probe_bmcs() -> None:
    """Look which BMCs would let a stranger in."""
    work.probe_bmcs()


@shared_task(ignore_result=True)
def pick_up_power() -> None:
    """Ring again for power actions that nobody is at: their bell was lost, or their worker."""
    for action_id in due_actions(db_now()):
        ring(drive_power, action_id=action_id)
