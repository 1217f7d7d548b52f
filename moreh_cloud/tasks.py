"""Celery entry points of the wiring."""

from celery import shared_task

from moreh_cloud.selfcheck import work


@shared_task(ignore_result=True)
def check_self() -> None:
    """Raise and clear the alerts of the product about itself."""
    work.check_self()
