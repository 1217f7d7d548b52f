from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from moreh_cloud.bulk.choices import UNDER_WAY, ItemState
from moreh_cloud.bulk.models import BulkAction, BulkItem

PICKED_UP = 100  # in one look; the next comes in seconds


def due_bulks(now: datetime) -> Sequence[int]:
    """Give the numbers of bulk actions that have something left and no worker at it, oldest first."""
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = BulkAction.objects.filter(free, state__in=UNDER_WAY)
    return list(due.order_by("id").values_list("pk", flat=True)[:PICKED_UP])


def waiting_items(bulk_id: int, most: int) -> list[BulkItem]:
    """Give the next items that are not done, in the order of the selection."""
    waiting = BulkItem.objects.filter(bulk=bulk_id, state=ItemState.WAITING)
    return list(waiting.order_by("id")[:most])


def items_of(bulk: BulkAction, state: str = "") -> QuerySet[BulkItem]:
    """Give the items of a bulk action, those in one state only if it is given."""
    items = BulkItem.objects.filter(bulk=bulk, **({"state": state} if state in ItemState else {}))
    return items.order_by("id")
