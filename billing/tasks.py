from celery import shared_task

from billing.services import checking


@shared_task(ignore_result=True)
def check_budgets() -> None:
    """Compare every budget with this month's use."""
    checking.check_budgets()
