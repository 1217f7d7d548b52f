"""Template tags of the console's pages."""

import json
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from backends.choices import DeviceStatus
from moreh_cloud.console.live.topics import read_pulse
from moreh_cloud.console.queries.nodes import Cell, Holder

register = template.Library()


@register.inclusion_tag("console/live_mark.html")
def live_mark() -> dict[str, Any]:
    """Make the page live, and show whether it is; stands before what it watches, so that no change falls between."""
    return {"known": json.dumps(dict(read_pulse())), "zone": settings.TIME_ZONE}


@register.filter
def told(cell: Cell) -> str:
    """Say all about a device in a picture, one line each."""
    status = str(DeviceStatus(cell.status).label)
    if cell.drain_to:
        status += ", " + _("draining to %(status)s") % {"status": DeviceStatus(cell.drain_to).label}
    lines = [f"{cell.index:02} {cell.model} · {status}", _holder(cell.holder), _values(cell)]
    return "\n".join(line for line in lines if line)


def _holder(holder: Holder | None) -> str:
    if holder is None:
        return ""
    since = f"{timezone.localtime(holder.since):%Y-%m-%d %H:%M:%S}"
    words = {"number": holder.job or holder.sda, "customer": holder.owner, "since": since}
    if holder.job is None:
        return _("reserved for SDA #%(number)s of %(customer)s since %(since)s") % words
    return _("job #%(number)s of %(customer)s since %(since)s") % words


def _values(cell: Cell) -> str:
    if cell.temperature is None or cell.gpu is None or cell.memory is None:
        return ""
    values = {"heat": round(cell.temperature), "gpu": round(cell.gpu), "memory": round(cell.memory)}
    return _("%(heat)s °C · GPU %(gpu)s %% · memory %(memory)s %%") % values


@register.filter
def gib(mib: int) -> str:
    """Show an amount of memory."""
    return f"{mib / 1024:,.0f}"
