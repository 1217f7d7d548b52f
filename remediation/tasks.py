"""Celery entry points of repairs."""

from celery import shared_task

from core.wakeups import accept_wakeup
from remediation import work


@shared_task(ignore_result=True)
def sweep() -> None:
    """Open repairs, and look at those that are due."""
    work.sweep()


@shared_task(ignore_result=True)
def look_at(*, backend_id: int, **_future: object) -> None:
    """Look at the open repair of a node."""
    accept_wakeup(look_at, backend_id=backend_id)
    work.look_at(backend_id)
