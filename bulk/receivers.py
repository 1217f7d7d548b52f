from typing import Any

from django.dispatch import receiver

from bulk.signals import bulk_begun
from bulk.tasks import carry_on
from core.wakeups import enqueue_on_commit


@receiver(bulk_begun)
def wake_a_worker(bulk_id: int, **_more: Any) -> None:
    """Enqueue a bulk action that has begun."""
    enqueue_on_commit(carry_on, bulk_id=bulk_id)
