"""The format of telemetry values in the admin."""

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backends.models import Device
from backends.queries import is_old, old_in
from core.signs import NOTHING


def telemetry_is_old(device: Device) -> bool | None:
    """Whether the values of a device's telemetry may be out of date; None if there are none."""
    latest = getattr(device, "telemetry", None)
    return None if latest is None else is_old(latest.at, timezone.now(), device.backend.bmc.reported_off_at)


def telemetry_value(device: Device, name: str, unit: str = "") -> SafeString | str:
    """Return a value of a device's telemetry: a dash if it was not measured, marked with its time if it is old."""
    latest = getattr(device, "telemetry", None)
    value = getattr(latest, name, None)
    if latest is None or value is None:
        return NOTHING
    text = f"{value:.0f} {unit}".rstrip()
    if not telemetry_is_old(device):
        return format_html('<span data-old-in="{}">{}</span>', old_in(latest.at, timezone.now()), text)
    as_of = _("as of %(time)s") % {"time": f"{timezone.localtime(latest.at):%Y-%m-%d %H:%M:%S}"}
    return format_html('<span class="mc-old" title="{}">{}</span>', as_of, text)
