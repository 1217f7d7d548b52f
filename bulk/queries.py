from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from bulk.choices import UNDER_WAY, ItemState
from bulk.models import BulkAction, BulkItem
from core.lease import not_leased

PICKED_UP = 100  # in one look; the next comes in seconds


def due_bulks(now: datetime) -> Sequence[int]:
    """Return the numbers of bulk actions that have something left and no worker at it, oldest first."""
    due = BulkAction.objects.filter(not_leased(now), state__in=UNDER_WAY)
    return list(due.order_by("id").values_list("pk", flat=True)[:PICKED_UP])


def waiting_items(bulk_id: int, most: int) -> list[BulkItem]:
    """Return the next items that are not done, in the order of the selection."""
    waiting = BulkItem.objects.filter(bulk=bulk_id, state=ItemState.WAITING)
    return list(waiting.order_by("id")[:most])


def items_of(bulk: BulkAction, state: str = "") -> QuerySet[BulkItem]:
    """Return the items of a bulk action, those in one state only if it is given."""
    items = BulkItem.objects.filter(bulk=bulk, **({"state": state} if state in ItemState else {}))
    return items.order_by("id")
