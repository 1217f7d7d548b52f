"""The colours of states, one for each meaning: green in use, grey idle, amber on its way, red out of use."""

from collections.abc import Mapping

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backends.choices import ActionState, BackendStatus, DeviceStatus, OrderState, PowerStatus
from backends.models import Backend, Bmc, Device
from moreh_cloud.lib.admin import badge

DEVICE: Mapping[str, str] = {
    DeviceStatus.SHUTDOWN: "danger",
    DeviceStatus.IDLE: "",
    DeviceStatus.PREPARING: "success",
    DeviceStatus.PROCESSING: "success",
    DeviceStatus.CLEANING: "warning",
    DeviceStatus.BUSY: "warning",
}
BACKEND: Mapping[str, str] = {BackendStatus.ACTIVE: "success", BackendStatus.SHUTDOWN: "danger"}
POWER: Mapping[str, str] = {PowerStatus.ON: "success", PowerStatus.OFF: "", PowerStatus.UNKNOWN: "warning"}
ACTION: Mapping[str, str] = {
    ActionState.QUEUED: "info",
    ActionState.RUNNING: "info",
    ActionState.SENT: "info",
    ActionState.SUCCEEDED: "success",
    ActionState.FAILED: "danger",
    ActionState.UNKNOWN: "warning",
}
ORDER: Mapping[str, str] = {
    OrderState.PENDING: "info",
    OrderState.ACKED: "info",
    OrderState.DONE: "success",
    OrderState.FAILED: "danger",
    OrderState.WITHDRAWN: "",
}


def backend_badge(backend: Backend) -> SafeString:
    """Show a node's status and why it is so."""
    said = badge(backend.get_status_display(), BACKEND[backend.status])
    return format_html("{} {}", said, backend.get_why_display()) if backend.why else said


def device_badge(device: Device) -> SafeString:
    """Show a device's status, why it is so, and what it is draining to."""
    said = badge(device.get_status_display(), DEVICE[device.status])
    if device.drain_to:
        wish = _("draining to %(status)s") % {"status": device.get_drain_to_display()}
        return format_html("{} {}", said, badge(wish, "warning"))
    return format_html("{} {}", said, device.get_why_display()) if device.why else said


def power_badge(bmc: Bmc | None) -> SafeString:
    """Show what the BMC was last seen doing, and what is wished while that differs."""
    if bmc is None:
        return badge(_("no BMC"))
    said = badge(bmc.get_status_display(), POWER[bmc.status])
    if bmc.target and bmc.target != bmc.status:
        return format_html("{} → {}", said, badge(bmc.get_target_display(), "info"))
    return said
