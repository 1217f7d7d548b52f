"""Nodes whose kept room is not what their devices say; only PostgreSQL keeps rooms."""

from django.db.models import QuerySet

from backends.models import Backend
from backends.rooms import recount_room, wrong_rooms
from scheduler.reconcile.looks import Look


def _rooms_that_differ() -> QuerySet[Backend]:
    """A node has as many devices, and those free, as are kept of it, and for the group that it is in."""
    return Backend.objects.filter(pk__in=wrong_rooms())


def _recount(node: Backend) -> str:
    kept, true = recount_room(node.pk)
    return f"kept as {_said(*kept) if kept else 'nothing'}, has {_said(*true)}"


def _said(group: int, idle: int, size: int) -> str:
    return f"{idle.bit_count()} of {size} devices free (mask {idle:x}) for group {group}"


LOOKS = (Look(_rooms_that_differ, _recount),)
