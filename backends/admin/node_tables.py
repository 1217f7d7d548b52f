"""What a node's page shows besides the node."""

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.tones import ACTION, ORDER, device_badge
from backends.models import Backend, Device
from backends.queries import open_orders
from moreh_cloud.lib.admin import Table, ago, badge, link, link_to
from scheduler.models import Allocation
from scheduler.queries import holders

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
    return Table(_("Devices"), headers, rows, above=True)


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


def power_table(backend: Backend, more: str) -> Table:
    """Give the latest power actions and how they ended."""
    actions = backend.power_actions.all()[:LATEST]
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
