from celery import shared_task

from moreh_cloud.lib.bell import hear
from scheduler import reconcile as reconciler
from scheduler import work
from scheduler.tick import tick as tick_group


@shared_task(ignore_result=True)
def tick(*, group_id: int, **_future: object) -> None:
    """Plan one group's queue."""
    hear(tick, group_id=group_id)
    tick_group(group_id)


@shared_task(ignore_result=True)
def look_ahead() -> None:
    """Estimate when waiting jobs will start."""
    work.look_ahead_all()


@shared_task(ignore_result=True)
def tick_all() -> None:
    """Plan every queue in which somebody waits."""
    work.tick_all()


@shared_task(ignore_result=True)
def sweep() -> None:
    """Find what has gone silent or is stuck."""
    work.sweep()


@shared_task(ignore_result=True)
def reconcile() -> None:
    """Find and repair what can never be."""
    reconciler.reconcile()
