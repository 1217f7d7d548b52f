"""What a node's page shows besides the node."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.tones import ACTION, ORDER, device_badge
from backends.models import Backend, Device, PowerAction
from backends.queries import open_orders
from moreh_cloud.alerts.admin import LEVEL_TONES
from moreh_cloud.alerts.choices import Level
from moreh_cloud.alerts.models import Alert
from moreh_cloud.lib.admin import Table, ago, badge, link, link_to
from scheduler.admin.tones import JOB
from scheduler.models import Allocation
from scheduler.queries import holders, workers_on

LATEST = 10  # rows of a history on the page of its object


def device_table(backend: Backend) -> Table:
    """Give the devices with their telemetry and who holds them, in two queries."""
    held = {allocation.device_id: allocation for allocation in holders([backend.pk])}
    devices = backend.devices.select_related("telemetry")
    rows = [
        (
            link_to(device, f"{device.index:02}"),
            device.model,
            device_badge(device),
            holder(held.get(device.pk)),
            *_telemetry(device),
            ago(device.since),
        )
        for device in devices
    ]
    headers = (
        _("index"),
        _("model"),
        _("status"),
        _("held by"),
        _("utilization"),
        _("memory"),
        _("temperature"),
        _("power"),
        _("since"),
    )
    return Table(_("Each device"), headers, rows)


def _telemetry(device: Device) -> tuple[str, str, str, str]:
    now = getattr(device, "telemetry", None)
    if now is None:
        return ("–", f"{device.total_memory} MiB", "–", "–")  # noqa: RUF001
    memory = f"{now.used_memory} / {device.total_memory} MiB"
    temperature = f"{now.temperature:.0f} °C ({now.memory_temperature:.0f} °C)"
    return (f"{now.utilization:.0f} %", memory, temperature, f"{now.power:.0f} W")


def holder(allocation: Allocation | None) -> SafeString | str:
    """Show the job, or the reserved SDA, that holds a device, leading to it."""
    if allocation is None:
        return "–"  # noqa: RUF001
    owner = allocation.token.description
    if allocation.job_id:
        return link(reverse("admin:scheduler_job_change", args=[allocation.job_id]), f"#{allocation.job_id} {owner}")
    return link(reverse("admin:sda_sda_change", args=[allocation.sda_id]), f"SDA #{allocation.sda_id} {owner}")


def worker_table(backend: Backend) -> Table:
    """Give the jobs that run on a node, in one query."""
    rows = [
        (
            link_to(worker.job, f"#{worker.job_id}"),
            link_to(worker.job.token),
            badge(worker.job.get_status_display(), JOB[worker.job.status]),
            ", ".join(f"{index:02}" for index in worker.devices),
            worker.job.num_devices,
            worker.job.process_name,
            ago(worker.job.started_at),
        )
        for worker in workers_on(backend.pk)
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


def alert_table(alerts: Iterable[Alert], more: str) -> Table:
    """Give alerts about a node, open or cleared."""
    rows = [
        (
            badge(alert.get_level_display(), LEVEL_TONES[Level(alert.level)]),
            link_to(alert, alert.get_category_display()),
            alert.content,
            ago(alert.raised_at),
            badge(_("cleared")) if alert.cleared_at else badge(_("open"), "warning"),
        )
        for alert in alerts
    ]
    return Table(_("Alerts"), (_("level"), _("category"), _("content"), _("raised"), _("state")), rows, more)


def power_table(actions: Iterable[PowerAction], more: str) -> Table:
    """Give power actions and how they ended."""
    rows = [
        (
            link_to(action, f"#{action.pk}"),
            action.get_command_display(),
            badge(action.get_state_display(), ACTION[action.state]),
            action.message,
            action.actor,
            ago(action.requested_at),
            ago(action.ended_at),
        )
        for action in actions
    ]
    headers = (_("number"), _("command"), _("state"), _("message"), _("by"), _("requested"), _("ended"))
    return Table(_("Power actions"), headers, rows, more)


def order_table(backend: Backend, more: str) -> Table:
    """Give the orders that the node's agent has still to carry out."""
    rows = [
        (
            link_to(order, order.get_verb_display()),
            ", ".join(map(str, order.devices)),
            badge(order.get_state_display(), ORDER[order.state]),
            ago(order.created_at),
        )
        for order in open_orders([backend.pk])[:LATEST]
    ]
    return Table(_("Open orders to the agent"), (_("order"), _("devices"), _("state"), _("given")), rows, more)
