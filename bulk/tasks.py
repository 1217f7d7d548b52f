from celery import shared_task

from bulk import work
from bulk.queries import due_bulks
from bulk.services import forget_old, forget_payloads
from core.clock import db_now
from core.wakeups import enqueue


@shared_task(name="moreh_cloud.bulk.tasks.carry_on", ignore_result=True)
def carry_on(*, bulk_id: int, **_future: object) -> None:
    """Carry out a part of a bulk action, then enqueue the rest: other tasks of the queue run in between."""
    if work.carry_on(bulk_id):
        enqueue(carry_on, bulk_id=bulk_id)


@shared_task(name="moreh_cloud.bulk.tasks.pick_up", ignore_result=True)
def pick_up() -> None:
    """Send again the bulk actions that no worker carries out: their wake-up or their worker was lost."""
    for bulk_id in due_bulks(db_now()):
        enqueue(carry_on, bulk_id=bulk_id)
    forget_payloads()


@shared_task(name="moreh_cloud.bulk.tasks.tidy", ignore_result=True)
def tidy() -> None:
    """Delete old bulk actions, and the keys of forms that can no longer be sent twice."""
    forget_old()
