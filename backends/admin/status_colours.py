"""The colours of states: green in use, grey idle, amber in transition, red out of service; and badges with them."""

from collections.abc import Mapping

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backends.choices import (
    ActionState,
    BackendStatus,
    DeviceStatus,
    MaintenanceState,
    OrderState,
    PowerStatus,
    SensorState,
)
from backends.models import Backend, Bmc, Device
from core.admin import badge

DEVICE_COLOURS: Mapping[str, str] = {
    DeviceStatus.SHUTDOWN: "danger",
    DeviceStatus.IDLE: "",
    DeviceStatus.PREPARING: "success",
    DeviceStatus.PROCESSING: "success",
    DeviceStatus.CLEANING: "warning",
    DeviceStatus.BUSY: "warning",
}
BACKEND_COLOURS: Mapping[str, str] = {BackendStatus.ACTIVE: "success", BackendStatus.SHUTDOWN: "danger"}
POWER_COLOURS: Mapping[str, str] = {PowerStatus.ON: "success", PowerStatus.OFF: "", PowerStatus.UNKNOWN: "warning"}
ACTION_COLOURS: Mapping[str, str] = {
    ActionState.DRAINING: "info",
    ActionState.QUEUED: "info",
    ActionState.RUNNING: "info",
    ActionState.SENT: "info",
    ActionState.SUCCEEDED: "success",
    ActionState.FAILED: "danger",
    ActionState.UNKNOWN: "warning",
    ActionState.CANCELED: "",
}
MAINTENANCE_COLOURS: Mapping[str, str] = {
    MaintenanceState.SCHEDULED: "info",
    MaintenanceState.ACTIVE: "warning",
    MaintenanceState.OVER: "",
    MaintenanceState.CANCELED: "",
}
SENSOR_COLOURS: Mapping[str, str] = {
    SensorState.OK: "success",
    SensorState.WARNING: "warning",
    SensorState.CRITICAL: "danger",
    SensorState.UNKNOWN: "",
}
ORDER_COLOURS: Mapping[str, str] = {
    OrderState.PENDING: "info",
    OrderState.ACKED: "info",
    OrderState.DONE: "success",
    OrderState.FAILED: "danger",
    OrderState.WITHDRAWN: "",
}


def backend_badge(backend: Backend) -> SafeString:
    """Return the badge of a node's status, with the reason for it."""
    status = badge(backend.get_status_display(), BACKEND_COLOURS[backend.status])
    return format_html("{} {}", status, backend.get_why_display()) if backend.why else status


def device_badge(device: Device) -> SafeString:
    """Return the badge of a device's status, with the reason for it or the status that it drains to."""
    if device.drained and device.drain_to in ("", device.status):
        return badge(_("drained"), "warning")
    status = badge(device.get_status_display(), DEVICE_COLOURS[device.status])
    if device.drain_to:
        target = _("draining to %(status)s") % {"status": device.get_drain_to_display()}
        return format_html("{} {}", status, badge(target, "warning"))
    return format_html("{} {}", status, device.get_why_display()) if device.why else status


def power_badge(bmc: Bmc | None) -> SafeString:
    """Return the badge of the power that the BMC last reported, and of the target while it differs."""
    if bmc is None or bmc.ip is None:
        return badge(_("no BMC"))
    status = badge(bmc.get_status_display(), POWER_COLOURS[bmc.status])
    if bmc.target and bmc.target != bmc.status:
        return format_html("{} → {}", status, badge(bmc.get_target_display(), "info"))
    return status
