"""Template tags of the console's pages."""

import json
from typing import Any

from django import template
from django.conf import settings

from moreh_cloud.accounts.choices import Role
from moreh_cloud.console.live.topics import read_pulse
from moreh_cloud.console.pages.filters import EVERYTHING, filters_of
from moreh_cloud.console.picture import picture
from moreh_cloud.console.services import is_list, normal_query

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


@register.inclusion_tag("console/saved_filters.html", takes_context=True)
def saved_filters(context: Any) -> dict[str, Any]:
    """Show the saved filters of this page, if it keeps any, as chips, with forms to save, rename and delete them."""
    request = context["request"]
    if not (request.resolver_match and is_list(request.resolver_match)):
        return {}
    who = request.user
    chips = [
        {
            "pk": saved.pk,
            "name": saved.name,
            "query": saved.query or EVERYTHING.removeprefix("?"),
            "shared": saved.shared,
            "operator_name": saved.operator.get_username(),
            "is_default": saved.is_default,  # type: ignore[attr-defined]
            "mine": saved.operator_id == who.pk,
            "may_delete": saved.operator_id == who.pk or (saved.shared and who.role == Role.MASTER),
        }
        for saved in filters_of(request)
    ]
    return {
        "chips": chips,
        "path": request.path,
        "current": normal_query(request.META["QUERY_STRING"]),
        "everything": EVERYTHING,
        "may_share": who.role != Role.READ_ONLY,
        "csrf_token": context.get("csrf_token"),
    }
