"""Celery entry points of the scheduler."""

from celery import shared_task

from core.wakeups import accept_wakeup
from scheduler import reconcile as reconciler
from scheduler import work
from scheduler.cycle.tick import tick as tick_group


@shared_task(ignore_result=True)
def tick(*, group_id: int, **_future: object) -> None:
    """Run cycles of one group."""
    accept_wakeup(tick, group_id=group_id)
    tick_group(group_id)


@shared_task(ignore_result=True)
def look_ahead() -> None:
    """Estimate when waiting jobs will start."""
    work.refresh_all_estimates()


@shared_task(ignore_result=True)
def tick_all() -> None:
    """Run cycles of every group in which a job waits."""
    work.tick_all()


@shared_task(ignore_result=True)
def sweep() -> None:
    """Act on everything that has been silent or stuck for too long."""
    work.sweep()


@shared_task(ignore_result=True)
def maintain(**_future: object) -> None:
    """Carry out what maintenance windows need now."""
    accept_wakeup(maintain)
    work.maintain()


@shared_task(ignore_result=True)
def watch_devices() -> None:
    """Find devices whose values or jobs show that something is wrong, and order the checks that are due."""
    work.watch_devices()


@shared_task(ignore_result=True)
def reconcile() -> None:
    """Find and repair inconsistencies."""
    reconciler.reconcile()


@shared_task(ignore_result=True)
def delete_old_tails() -> None:
    """Delete last outputs of workers that were kept long enough."""
    work.delete_old_tails()
