from celery import shared_task

from idempotency.services import forget_answers
from idempotency.watching import fold_stamps


@shared_task(name="moreh_cloud.answers.tasks.tidy", ignore_result=True)
def tidy() -> None:
    """Delete stored responses of yesterday, and fold the stamps of connections that are gone."""
    forget_answers()
    fold_stamps()
