from celery import shared_task

from usage import services


@shared_task(ignore_result=True)
def roll_up() -> None:
    """Close every hour that is over."""
    services.close_hours()
