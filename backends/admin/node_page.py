"""The context of a node's page: its current state, its devices, what runs on it, and its history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from alerts.queries import alerts_about, open_first
from alerts.subjects import node as node_subject
from backends.admin.health import card_table, finding_table
from backends.admin.maintenance_tables import node_mark, node_windows
from backends.admin.node_inventory import place_text
from backends.admin.node_monitoring import monitoring
from backends.admin.node_summary import MOST, sick_devices
from backends.admin.node_tables import (
    LATEST,
    alert_table,
    device_table,
    devices_of,
    order_table,
    power_table,
    worker_table,
)
from backends.admin.power import waiting_text
from backends.choices import MONITORING, NOT_OVER, PowerVerb
from backends.models import Backend, PowerAction
from backends.queries import is_old, old_in
from backends.queries.health import findings_of
from backends.queries.waiting import waiting_of
from core.admin import Table
from core.clock import to_ms
from core.errors import Message
from events.admin import event_table
from inventory.admin.formatting import tag_badges
from remediation.admin.tables import node_repairs
from scheduler.queries.node_cards import Cell, cells, rows_of

MOST_ALERTS = 30  # of one node; there is one open alert for each category


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a power action under way, and whether it is done."""

    text: Message
    done: bool


def node_context(row: Any) -> dict[str, Any]:
    """Return the context of the page, read in a fixed number of queries."""
    devices, rows = cells([row.pk]).get(row.pk, []), devices_of(row)
    old = is_old(row.agent.last_seen, timezone.now(), row.bmc.reported_off_at)
    alerts = list(open_first(alerts_about(node_subject(row.pk)))[:MOST_ALERTS])
    actions = list(row.power_actions.all()[:LATEST])
    findings, (repairs, repair_table) = list(findings_of(row.pk)), node_repairs(row.pk)
    sick = sick_devices(rows, findings)
    return {
        "node": row,
        "maintenance": node_mark(row.window_from, row.window_to),
        "place": place_text(row),
        "tags": tag_badges(row.tags.all()),
        "rows": rows_of(devices),
        "old_in": old_in(row.agent.last_seen, timezone.now()),
        "values": _values(row, devices, old=old),
        "old": old,
        "memory_percent": _percent(row.agent.used_memory, row.agent.total_memory),
        "open_alerts": [alert for alert in alerts if alert.cleared_at is None],
        "all_alerts": _alert_list(row),
        "sick": sick[:MOST],
        "more_sick": len(sick[MOST:]),
        "repairs": repairs,
        "all_repairs": repair_table.more,
        "steps": _steps(actions),
        "monitoring": monitoring(row),
        "now": [table for table in (device_table(row, rows), worker_table(row), card_table(rows)) if table.rows],
        "later": _later(row, alerts, actions, repair_table, finding_table(findings, with_device=True)),
        "grid": reverse("console:nodes") + f"?group__id__exact={row.group_id}",
    }


def _later(row: Backend, alerts: Sequence[Any], actions: Iterable[PowerAction], *health: Table) -> list[Table]:
    """Return the tables of the history, empty ones left out."""
    tables = (
        alert_table(alerts[:LATEST], _alert_list(row)),
        node_windows(row.pk),
        *health,
        power_table(actions, reverse("admin:backends_poweraction_changelist") + f"?backend={row.pk}"),
        order_table(row, reverse("admin:backends_order_changelist") + f"?backend={row.pk}"),
        event_table(f"backend/{row.pk}"),
    )
    return [table for table in tables if table.rows]


def _alert_list(row: Backend) -> str:
    """Return the address of the list of all alerts about a node."""
    return reverse("admin:alerts_alert_changelist") + f"?subject={node_subject(row.pk)}"


def _values(row: Backend, devices: Sequence[Cell], *, old: bool) -> dict[str, float | None]:
    """Return the current values, which the page's charts collect while it is open; old ones are left out."""
    reporting = [cell for cell in devices if not cell.old]
    return {
        "at": to_ms(timezone.now()),
        "cpu": None if old else row.agent.cpu,
        "gpu": _mean([cell.gpu for cell in reporting if cell.gpu is not None]),
        "memory": _mean([cell.memory for cell in reporting if cell.memory is not None]),
        "hottest": max((cell.temperature for cell in reporting if cell.temperature is not None), default=None),
        "mean_heat": _mean([cell.temperature for cell in reporting if cell.temperature is not None]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 1) if values else None


def _percent(part: int | None, whole: int | None) -> int | None:
    return None if part is None or not whole else round(100 * part / whole)


def _steps(actions: Sequence[PowerAction]) -> dict[str, Any] | None:
    """Return the steps of the latest power action that is not over."""
    open_actions = [action for action in actions if action.state in NOT_OVER]
    if not open_actions:
        return None
    action = open_actions[0]
    steps = [
        Step(_now("asked for by %(actor)s") % {"actor": action.actor}, True),
        Step(_now("taken by a worker, attempt %(number)s") % {"number": max(1, action.attempt)}, action.attempt > 0),
    ]
    waiting = waiting_of(action, timezone.now())
    if waiting and waiting.code != "WORKER":
        steps[1] = Step(waiting_text(action), False)
    if action.command not in (PowerVerb.STATUS, PowerVerb.RECONNECT, *MONITORING):
        sent = ", ".join(str(PowerVerb(verb).label) for verb in action.sent)
        steps.append(Step(_now("sent to the BMC: %(commands)s") % {"commands": sent or "…"}, bool(sent)))
    return {"action": action, "steps": [*steps, Step(_("confirmed"), False)]}
