"""The heat map: a square for each node. Its script draws it from JSON, which is fast enough for 10,000 nodes."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page

from alerts.choices import Level
from backends.queries.device_states import MEANINGS
from console.pages.base_page import render_page
from console.pages.node_filters import filter_fields, query_of, wanted_by
from console.queries.heat import heat_holders, heat_nodes
from scheduler.queries.node_choice import chosen_nodes

COMPACT = {"separators": (",", ":")}


@gzip_page
def heat_map(request: HttpRequest) -> HttpResponseBase:
    """Return the page with legend and filters, without the squares."""
    wanted = wanted_by(request)
    query = query_of(wanted)
    return render_page(
        request,
        "console/heat.html",
        _("Heat map"),
        fields=filter_fields(wanted),
        wanted=wanted,
        ways=[
            (_("Node grid"), reverse("console:nodes") + query),
            (_("List"), reverse("admin:backends_backend_changelist") + query),
        ],
        data=reverse("console:heat-nodes") + query,
        holders=reverse("console:heat-holders") + query,
        meanings=[(name, meaning.word) for name, meaning in MEANINGS.items()],
        levels=[(level.value, level.label) for level in reversed(Level)],
        words=_words(),
    )


@never_cache
@gzip_page
def nodes(request: HttpRequest) -> JsonResponse:
    """Return the nodes that match the filters, with the states of their devices."""
    return JsonResponse(heat_nodes(chosen_nodes(wanted_by(request))), json_dumps_params=COMPACT)


@never_cache
@gzip_page
def holders(request: HttpRequest) -> JsonResponse:
    """Return who holds devices of the nodes that match the filters."""
    return JsonResponse(heat_holders(chosen_nodes(wanted_by(request))), json_dumps_params=COMPACT)


def _words() -> dict[str, object]:
    """Return the texts of the script, with placeholders in braces."""
    return {
        "states": [meaning.word for meaning in MEANINGS.values()],
        "levels": {level.value: level.label for level in Level},
        "nodes": _("Nodes: {number}"),
        "off": _("shut down for new jobs"),
        "none": _("No devices"),
        "job": _("job #{number} of {customer} since {since}, devices: {devices}"),
        "reserved": _("reserved for SDA #{number} of {customer} since {since}, devices: {devices}"),
        "more": _("and {number} more"),
        "alert": _("alert, {level}: {category}, {content}"),
        "failed": _("The map could not be loaded. The page tries again."),
    }
