"""The global heat map: a square per node. The page draws it from JSON, so that 10,000 nodes appear at once."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page

from moreh_cloud.alerts.choices import Level
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.node_filters import filter_fields, query_of, wanted_by
from moreh_cloud.console.queries.heat import heat_holders, heat_nodes
from moreh_cloud.console.queries.node_choice import chosen_nodes
from moreh_cloud.console.queries.states import MEANINGS

COMPACT = {"separators": (",", ":")}


@gzip_page
def heat_map(request: HttpRequest) -> HttpResponseBase:
    """Show the frame, the legend and the filters of the map."""
    wanted = wanted_by(request)
    query = query_of(wanted)
    return show(
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
        words=_words(),
    )


@never_cache
@gzip_page
def nodes(request: HttpRequest) -> JsonResponse:
    """Give the squares of the nodes that the filters choose."""
    return JsonResponse(heat_nodes(chosen_nodes(wanted_by(request))), json_dumps_params=COMPACT)


@never_cache
@gzip_page
def holders(request: HttpRequest) -> JsonResponse:
    """Give who uses the nodes that the filters choose."""
    return JsonResponse(heat_holders(chosen_nodes(wanted_by(request))), json_dumps_params=COMPACT)


def _words() -> dict[str, object]:
    """Give the texts that the script puts together, with places in braces."""
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
        "failed": _("The map could not be read. It is tried again."),
    }
