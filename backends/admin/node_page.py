"""What the page of a node shows besides its form: its state now, its devices, what runs on it and what happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from backends.admin.node_tables import LATEST, alert_table, device_table, order_table, power_table, worker_table
from backends.choices import UNDER_WAY, PowerVerb
from backends.models import Backend, PowerAction
from moreh_cloud.alerts.models import Alert
from moreh_cloud.console.queries.nodes import Cell, cells, rows_of
from moreh_cloud.events.admin import event_table
from moreh_cloud.lib.admin import Table
from moreh_cloud.lib.clock import to_ms
from moreh_cloud.lib.errors import Message


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a power action under way, and whether it was taken."""

    said: Message
    done: bool


def node_page(row: Backend) -> dict[str, Any]:
    """Give all that the page shows, in a fixed number of queries."""
    devices = cells([row.pk]).get(row.pk, [])
    alerts = list(Alert.objects.filter(subject=f"backend/{row.pk}").order_by("-id")[:LATEST])
    actions = list(row.power_actions.all()[:LATEST])
    return {
        "node": row,
        "rows": rows_of(devices),
        "values": _values(row, devices),
        "memory_share": _share(row.agent.used_memory, row.agent.total_memory),
        "open_alerts": [alert for alert in alerts if alert.cleared_at is None],
        "steps": _steps(actions),
        "now": [table for table in (device_table(row), worker_table(row)) if table.rows],
        "later": _later(row, alerts, actions),
        "grid": reverse("console:nodes") + f"?group__id__exact={row.group_id}",
    }


def _later(row: Backend, alerts: Iterable[Alert], actions: Iterable[PowerAction]) -> list[Table]:
    """Give the histories; one that is empty is left out."""
    tables = (
        alert_table(alerts, reverse("admin:alerts_alert_changelist") + f"?q=backend/{row.pk}"),
        power_table(actions, reverse("admin:backends_poweraction_changelist") + f"?backend={row.pk}"),
        order_table(row, reverse("admin:backends_order_changelist") + f"?backend={row.pk}"),
        event_table(f"backend/{row.pk}"),
    )
    return [table for table in tables if table.rows]


def _values(row: Backend, devices: Sequence[Cell]) -> dict[str, float | None]:
    """Give the values of now that the page's charts collect while it is open."""
    reported = [cell for cell in devices if cell.temperature is not None]
    return {
        "at": to_ms(timezone.now()),
        "cpu": row.agent.cpu if row.agent.last_seen else None,
        "gpu": _mean([cell.gpu for cell in reported if cell.gpu is not None]),
        "memory": _mean([cell.memory for cell in reported if cell.memory is not None]),
        "hottest": max((cell.temperature for cell in reported if cell.temperature is not None), default=None),
        "mean_heat": _mean([cell.temperature for cell in reported if cell.temperature is not None]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 1) if values else None


def _share(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def _steps(actions: Sequence[PowerAction]) -> dict[str, Any] | None:
    """Give how far the power action has come that is under way; it can only be the latest."""
    if not actions or actions[0].state not in UNDER_WAY:
        return None
    action = actions[0]
    steps = [
        Step(_now("asked for by %(actor)s") % {"actor": action.actor}, True),
        Step(_now("taken by a worker, attempt %(number)s") % {"number": max(1, action.attempt)}, action.attempt > 0),
    ]
    if action.command not in (PowerVerb.STATUS, PowerVerb.RECONNECT):
        sent = ", ".join(str(PowerVerb(verb).label) for verb in action.sent)
        steps.append(Step(_now("sent to the BMC: %(commands)s") % {"commands": sent or "…"}, bool(sent)))
    return {"action": action, "steps": [*steps, Step(_("confirmed"), False)]}
