from celery import shared_task

from moreh_cloud.bulk import work
from moreh_cloud.bulk.queries import due_bulks
from moreh_cloud.bulk.services import forget_old, forget_payloads
from moreh_cloud.lib.bell import ring
from moreh_cloud.lib.clock import db_now


@shared_task(ignore_result=True)
def carry_on(*, bulk_id: int, **_future: object) -> None:
    """Carry out a part of a bulk action, and ring again for the rest: other work of the queue gets its turn."""
    if work.carry_on(bulk_id):
        ring(carry_on, bulk_id=bulk_id)


@shared_task(ignore_result=True)
def pick_up() -> None:
    """Ring again for bulk actions that nobody is at: their bell was lost, or their worker."""
    for bulk_id in due_bulks(db_now()):
        ring(carry_on, bulk_id=bulk_id)
    forget_payloads()


@shared_task(ignore_result=True)
def tidy() -> None:
    """Forget bulk actions of long ago, and forms that nobody sends a second time any more."""
    forget_old()
