"""Celery entry points of usage."""

from celery import shared_task

from usage import services


@shared_task(ignore_result=True)
def roll_up() -> None:
    """Close every hour, day and month that is over."""
    services.roll_up()
