from typing import Any

from django.dispatch import receiver

from moreh_cloud.bulk.signals import bulk_begun
from moreh_cloud.bulk.tasks import carry_on
from moreh_cloud.lib.bell import ring_on_commit


@receiver(bulk_begun)
def wake_a_worker(bulk_id: int, **_more: Any) -> None:
    ring_on_commit(carry_on, bulk_id=bulk_id)
