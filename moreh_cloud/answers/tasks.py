from celery import shared_task

from moreh_cloud.answers.services import forget_answers
from moreh_cloud.answers.watching import fold_stamps


@shared_task(ignore_result=True)
def tidy() -> None:
    """Forget kept answers of yesterday, and the stamps of connections that are gone."""
    forget_answers()
    fold_stamps()
