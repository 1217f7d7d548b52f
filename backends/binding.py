"""The nodes that jobs may be bound to, checked in the transaction that binds them."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from backends.choices import DISRUPTIVE, UNDER_WAY, BackendStatus
from backends.models import Backend, PowerAction
from backends.queries.maintenance import next_window
from core.locks import keep


def is_being_switched(backend: str = "pk") -> Exists:
    """Return a filter for nodes on which a power action is under way that ends what runs on them."""
    return Exists(PowerAction.objects.filter(backend=OuterRef(backend), command__in=DISRUPTIVE, state__in=UNDER_WAY))


def usable_nodes(ids: Collection[int], *, group_id: int | None = None) -> dict[int, datetime | None]:
    """Return which of these nodes are in service, and in the group if one is named; with their next maintenance.

    They stay so until the caller's transaction ends: nobody takes one out of service, moves it to another group,
    switches its power or plans maintenance. Plans are older than that, so a planned job is bound only to these nodes,
    if their maintenance allows it.
    """
    keep(Backend, ids)
    here = Q() if group_id is None else Q(group=group_id)
    usable = Backend.objects.live().filter(~is_being_switched(), here, pk__in=ids, status=BackendStatus.ACTIVE)
    return dict(usable.order_by().values_list("pk", next_window()))
