"""Celery entry points."""

from celery import shared_task

from subscriptions import work


@shared_task(ignore_result=True)
def feed() -> None:
    """Enqueue the events that were settled since the last time."""
    work.feed()
