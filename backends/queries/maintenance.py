"""Maintenance windows: lists, and the windows of nodes as placement needs them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from backends.choices import OPEN_WINDOWS, MaintenanceState
from backends.models import Backend, MaintenanceNode, MaintenanceWindow
from backends.models.maintenance import TAKES_PART, TO_RETURN

NODES = 200  # of one transaction of a worker


class NodeWindow(NamedTuple):
    """A window that a node takes part in; `drained` is the mask of the devices that it has taken out of service."""

    backend_id: int
    starts_at: datetime
    ends_at: datetime
    drained: int | None
    window_id: int
    reason: str
    state: str


def next_window(field: str = "starts_at", backend: str = "pk") -> Subquery:
    """Return an expression for when the window of a node that lasts, or its next one, begins; or for another field."""
    mine = MaintenanceNode.objects.filter(TAKES_PART, backend=OuterRef(backend)).order_by("window__starts_at")
    return Subquery(mine.values(f"window__{field}")[:1])


def describe_next(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> str:
    """Return until when a node is in maintenance, or when its next one begins; "" without a window."""
    if starts_at is None or ends_at is None:
        return ""
    if starts_at <= now:
        return _("maintenance until %(at)s") % {"at": _minute(ends_at)}
    return _("maintenance from %(at)s") % {"at": _minute(starts_at)}


def _minute(at: datetime) -> str:
    return f"{timezone.localtime(at):%m-%d %H:%M}"


def windows_of_group(group_id: int) -> list[NodeWindow]:
    """Return the windows that nodes of a group take part in, in the order of time; one query."""
    return _windows(MaintenanceNode.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True))


def windows_of(backend_ids: Collection[int]) -> list[NodeWindow]:
    """Return the windows that some nodes take part in, in the order of time; one query."""
    return _windows(MaintenanceNode.objects.filter(backend__in=backend_ids))


def _windows(rows: QuerySet[MaintenanceNode]) -> list[NodeWindow]:
    mine = rows.filter(TAKES_PART).order_by("window__starts_at", "pk")
    names = ("backend_id", "window__starts_at", "window__ends_at", "drained", "window_id", "window__reason")
    return [NodeWindow(*row) for row in mine.values_list(*names, "window__state")]


def windows() -> QuerySet[MaintenanceWindow]:
    """Return all windows, the last one created first, with how many nodes they have (`node_count`)."""
    mine = MaintenanceNode.objects.filter(window=OuterRef("pk")).order_by().values("window")
    return MaintenanceWindow.objects.annotate(node_count=Subquery(mine.values(count=Count("pk")))).order_by("-pk")


def with_node(rows: QuerySet[MaintenanceWindow], which: Q) -> QuerySet[MaintenanceWindow]:
    """Return those windows that have such a node; `which` filters rows of MaintenanceNode."""
    return rows.filter(Exists(MaintenanceNode.objects.filter(which, window=OuterRef("pk"))))


def overlapping(
    nodes: Iterable[int], starts_at: datetime, ends_at: datetime, *, but: int | None = None
) -> QuerySet[MaintenanceNode]:
    """Return where some nodes take part in another window of this time."""
    rows = MaintenanceNode.objects.filter(TAKES_PART, backend__in=list(nodes)).exclude(window=but)
    return rows.filter(window__starts_at__lt=ends_at, window__ends_at__gt=starts_at).order_by("window_id", "backend_id")


def due(now: datetime) -> list[int]:
    """Return the windows that begin or end now."""
    rows = MaintenanceWindow.objects.filter(state__in=OPEN_WINDOWS)
    begin = Q(state=MaintenanceState.SCHEDULED, starts_at__lte=now)
    return list(rows.filter(begin | Q(ends_at__lte=now)).order_by("pk").values_list("pk", flat=True))


def in_maintenance(backend_id: int) -> bool:
    """Whether a node takes part in a window that has begun."""
    rows = MaintenanceNode.objects.filter(TAKES_PART, window__state=MaintenanceState.ACTIVE, backend=backend_id)
    return rows.exists()


def to_drain() -> list[int]:
    """Return the active windows with nodes that are not drained yet."""
    rows = MaintenanceNode.objects.filter(TAKES_PART, window__state=MaintenanceState.ACTIVE, drained__isnull=True)
    return sorted(set(rows.values_list("window_id", flat=True)))


def to_return() -> list[int]:
    """Return the windows with nodes whose drained devices come back."""
    return sorted(set(MaintenanceNode.objects.filter(TO_RETURN).values_list("window_id", flat=True)))


def to_inform() -> list[int]:
    """Return the windows with nodes whose customers are to be informed."""
    return sorted(set(MaintenanceNode.objects.filter(untold=True).values_list("window_id", flat=True)))


def nodes_of(window: MaintenanceWindow) -> QuerySet[Backend]:
    """Return the nodes of a window by name."""
    nodes: QuerySet[Backend] = Backend.objects.filter(maintenance__window=window)
    return nodes.order_by("name", "pk")
