"""Template tags of the console's pages."""

import json
from typing import Any

from django import template
from django.conf import settings

from accounts.choices import Role
from console.device_cells import draw_devices
from console.live.topics import read_pulse
from console.pages import telemetry as charts
from console.pages.filters import EVERYTHING, filters_of
from console.queries.whatif import as_word
from console.services import is_list, normal_query
from core.signs import NOTHING

register = template.Library()
register.simple_tag(draw_devices, name="devices")


@register.inclusion_tag("console/live_mark.html")
def live_mark() -> dict[str, Any]:
    """Make the page live, and show its state. It must come before the live parts, so that no change is missed."""
    return {"known": json.dumps(dict(read_pulse())), "zone": settings.TIME_ZONE}


@register.inclusion_tag("console/telemetry.html")
def telemetry(noun: str, pk: int) -> dict[str, Any]:
    """Return the context of the charts of a node, a device or a job over hours and days."""
    return charts.charts_of(noun, pk)


@register.filter
def node_word(name: str) -> str:
    """Return the name of a node as the lists of the what-if page read it."""
    return as_word(name)


@register.filter
def gib(mib: int | None) -> str:
    """Return MiB as GiB; a dash if it was not measured."""
    return NOTHING if mib is None else f"{mib / 1024:,.0f}"


@register.inclusion_tag("console/saved_filters.html", takes_context=True)
def saved_filters(context: Any) -> dict[str, Any]:
    """Return the context of the saved filters of a page, with forms to save, rename and delete them."""
    request = context["request"]
    if not (request.resolver_match and is_list(request.resolver_match)):
        return {}
    operator = request.user
    chips = [
        {
            "pk": saved.pk,
            "name": saved.name,
            "query": saved.query or EVERYTHING.removeprefix("?"),
            "shared": saved.shared,
            "operator_name": saved.operator.get_username(),
            "is_default": saved.is_default,  # type: ignore[attr-defined]
            "mine": saved.operator_id == operator.pk,
            "may_delete": saved.operator_id == operator.pk or (saved.shared and operator.role == Role.MASTER),
        }
        for saved in filters_of(request)
    ]
    return {
        "chips": chips,
        "path": request.path,
        "current": normal_query(request.META["QUERY_STRING"]),
        "everything": EVERYTHING,
        "may_share": operator.role != Role.READ_ONLY,
        "csrf_token": context.get("csrf_token"),
    }
