"""The tables on the page of a node."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alerts.admin import LEVEL_COLOURS
from alerts.choices import Level
from backends.admin.health import verdict_badge
from backends.admin.status_colours import ACTION_COLOURS, ORDER_COLOURS, device_badge
from backends.admin.telemetry import telemetry_value
from backends.models import Backend, Device, PowerAction
from backends.queries import open_orders
from core.admin import Table, badge, link, link_to, time_ago
from core.signs import NOTHING
from scheduler.admin.badge_colours import JOB
from scheduler.choices import LIVE
from scheduler.queries.allocations import holders
from scheduler.queries.workers import workers_on

LATEST = 10  # rows of a history on the page of its object


def devices_of(backend: Backend) -> list[Device]:
    """Return the devices of a node with their telemetry and cards, in one query."""
    return list(backend.devices.select_related("telemetry", "card"))


def device_table(backend: Backend, devices: Iterable[Device]) -> Table:
    """Return the devices with their telemetry and who holds them, in one query."""
    held = {allocation.device_id: allocation for allocation in holders([backend.pk])}
    rows = [
        (
            link_to(device, f"{device.index:02}"),
            device.model,
            device_badge(device),
            verdict_badge(device),
            holder_link(held.get(device.pk)),
            *_telemetry(device),
            time_ago(device.since),
        )
        for device in devices
    ]
    headers = (
        _("index"),
        _("model"),
        _("status"),
        _("health"),
        _("held by"),
        _("utilization"),
        _("memory"),
        _("temperature"),
        _("power"),
        _("since"),
    )
    return Table(_("Each device"), headers, rows)


def _telemetry(device: Device) -> tuple[SafeString | str, ...]:
    """Return utilization, memory, temperature (of the memory in brackets) and power."""
    # One element each: on phones the children of a cell are laid out apart.
    memory = format_html(
        "<span>{} / {} MiB</span>", telemetry_value(device, "used_memory"), device.total_memory or NOTHING
    )
    both = [telemetry_value(device, name, "°C") for name in ("temperature", "memory_temperature")]
    heat = format_html("<span>{} ({})</span>", *both)
    return telemetry_value(device, "utilization", "%"), memory, heat, telemetry_value(device, "power", "W")


def holder_link(allocation: Any) -> SafeString | str:
    """Return a link to the job, or the reserved SDA, whose allocation holds a device; a dash for None."""
    if allocation is None:
        return "–"  # noqa: RUF001
    owner = allocation.token.description
    if allocation.job_id:
        return link(reverse("admin:scheduler_job_change", args=[allocation.job_id]), f"#{allocation.job_id} {owner}")
    return link(reverse("admin:sda_sda_change", args=[allocation.sda_id]), f"SDA #{allocation.sda_id} {owner}")


def worker_table(backend: Backend) -> Table:
    """Return the jobs that run on a node, in one query."""
    rows = [
        (
            link_to(worker.job, f"#{worker.job_id}"),
            link_to(worker.job.token),
            badge(worker.job.get_status_display(), JOB[worker.job.status]),
            ", ".join(f"{index:02}" for index in worker.devices),
            worker.job.num_devices,
            worker.job.process_name,
            time_ago(worker.job.started_at),
        )
        for worker in workers_on(backend.pk)
        if worker.job.status in LIVE
    ]
    headers = (
        _("job"),
        _("token"),
        _("status"),
        _("devices here"),
        _("devices in all"),
        _("process"),
        _("started"),
    )
    return Table(_("Running jobs"), headers, rows)


def alert_table(alerts: Iterable[Any], more: str) -> Table:
    """Return alerts about a node, open or cleared."""
    rows = [
        (
            badge(alert.get_level_display(), LEVEL_COLOURS[Level(alert.level)]),
            link_to(alert, alert.get_category_display()),
            alert.text,
            time_ago(alert.raised_at),
            badge(_("cleared")) if alert.cleared_at else badge(_("open"), "warning"),
        )
        for alert in alerts
    ]
    return Table(_("Alerts"), (_("level"), _("category"), _("content"), _("raised"), _("state")), rows, more)


def power_table(actions: Iterable[PowerAction], more: str) -> Table:
    """Return power actions and how they ended."""
    rows = [
        (
            link_to(action, f"#{action.pk}"),
            action.get_command_display(),
            badge(action.get_state_display(), ACTION_COLOURS[action.state]),
            action.message,
            action.actor,
            time_ago(action.requested_at),
            time_ago(action.ended_at),
        )
        for action in actions
    ]
    headers = (_("number"), _("command"), _("state"), _("message"), _("by"), _("requested"), _("ended"))
    return Table(_("Power actions"), headers, rows, more)


def order_table(backend: Backend, more: str) -> Table:
    """Return the orders to the node's agent that are not settled."""
    rows = [
        (
            link_to(order, order.get_verb_display()),
            ", ".join(map(str, order.devices)),
            badge(order.get_state_display(), ORDER_COLOURS[order.state]),
            time_ago(order.created_at),
        )
        for order in open_orders([backend.pk])[:LATEST]
    ]
    return Table(_("Open orders to the agent"), (_("order"), _("devices"), _("state"), _("given")), rows, more)
