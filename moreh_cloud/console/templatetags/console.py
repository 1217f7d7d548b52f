"""Template tags of the console's pages."""

import json
from typing import Any

from django import template
from django.conf import settings

from moreh_cloud.console.live.topics import read_pulse
from moreh_cloud.console.picture import picture

register = template.Library()
register.simple_tag(picture, name="devices")


@register.inclusion_tag("console/live_mark.html")
def live_mark() -> dict[str, Any]:
    """Make the page live, and show whether it is; stands before what it watches, so that no change falls between."""
    return {"known": json.dumps(dict(read_pulse())), "zone": settings.TIME_ZONE}


@register.filter
def gib(mib: int) -> str:
    """Show an amount of memory."""
    return f"{mib / 1024:,.0f}"
