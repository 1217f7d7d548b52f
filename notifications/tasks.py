"""Celery entry points of notifications."""

from celery import shared_task

from notifications import work


@shared_task(ignore_result=True)
def sweep() -> None:
    """Notify of what may be told now."""
    work.sweep()
