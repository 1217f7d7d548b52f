"""Alerts about nodes that no single change raises or clears: silence, claims, faults, power actions."""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from alerts.choices import Category, SubjectKind
from alerts.codes import Code
from alerts.queries import open_ids
from alerts.services import (
    NewAlert,
    clear_alerts,
    clear_alerts_of,
    clear_quiet_alerts,
    clear_seen_alerts,
    hold_alerts,
    keep_alerts,
)
from alerts.subjects import node
from backends.choices import BackendStatus, DeviceStatus, ShutdownReason, Verdict
from backends.models import Backend, Device
from backends.queries import grace_start
from core.clock import db_now

FAULTS = (ShutdownReason.NOT_CLEANED, ShutdownReason.VANISHED, ShutdownReason.UNKNOWN_WORKER)


@transaction.atomic
def note_silent_nodes() -> None:
    """Raise an alert for each node that should report and is silent; clear it once it has reported steadily.

    It is steady when it was not seen silent for MOREH_NODE_STEADY_AFTER. A node that is lost stays silent: its alert
    ends with the loss (`clear_loss`). Silence counts only while a manager listened.
    """
    now = db_now()
    start, cutoff = grace_start(now), now - settings.MOREH_SILENT_AFTER
    if start is None or start > cutoff:
        return
    lost = Q(status=BackendStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST)
    serving = Backend.objects.live().filter(Q(status=BackendStatus.ACTIVE) | lost)
    rows = serving.filter(agent__last_seen__lt=cutoff).order_by("pk").values_list("pk", "name")
    seconds = int(settings.MOREH_SILENT_AFTER.total_seconds())
    silent = [NewAlert(Code.NODE_SILENT, node(pk), {"node": name, "seconds": seconds}) for pk, name in rows]
    if told := open_ids(Category.NODE_SILENT, SubjectKind.NODE):
        out = told - set(serving.filter(pk__in=told).values_list("pk", flat=True))
        clear_alerts(Category.NODE_SILENT, map(node, out))
    hold_alerts(Category.NODE_SILENT, silent, quiet=settings.MOREH_NODE_STEADY_AFTER)


def clear_loss(backend_ids: Collection[int]) -> None:
    """Clear the alerts about nodes whose agents have come back: that they are lost, and that they are silent."""
    nodes = [node(pk) for pk in backend_ids]
    clear_alerts_of((Category.NODE_SILENT, Category.NODE_LOST), nodes)


@transaction.atomic
def clear_node_alerts() -> None:
    """Clear alerts whose causes are gone: faults that have ended, claims that have stopped, decided power actions.

    GPU_ERROR stays while a health check of the node fails, or a device is out by a fault that its verdict does not
    show: otherwise the alert about the health of devices names it. A power action of unknown outcome is decided by a
    person: the alert that somebody has acknowledged is cleared.
    """
    if told := open_ids(Category.GPU_ERROR, SubjectKind.NODE):
        nodes = Backend.objects.live().filter(pk__in=told)
        sick = nodes.filter(status=BackendStatus.SHUTDOWN, why=ShutdownReason.UNHEALTHY)
        out = Device.objects.filter(status=DeviceStatus.SHUTDOWN, why__in=FAULTS, verdict=Verdict.HEALTHY)
        faulty = out.filter(backend__in=nodes).order_by().values_list("backend_id", flat=True).distinct()
        kept = {*sick.values_list("pk", flat=True), *faulty}
        keep_alerts(Category.GPU_ERROR, [node(pk) for pk in kept])
    clear_quiet_alerts(Category.NODE_CLAIMED_TWICE, before=db_now() - settings.MOREH_CLAIMS_QUIET_AFTER)
    clear_seen_alerts(Category.POWER_UNKNOWN, but=())
