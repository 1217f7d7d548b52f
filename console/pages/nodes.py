"""The node grid: a card for each node that matches the filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page

from backends.models import Backend
from backends.queries.device_states import MEANINGS
from console.pages.base_page import render_page
from console.pages.node_filters import filter_fields, query_of, wanted_by
from core.errors import Message
from core.numbers import whole
from scheduler.queries.node_cards import cards
from scheduler.queries.node_choice import NodeCounts, chosen_nodes, count_found

PAGE = 60  # cards
BULK: Sequence[tuple[Message, Sequence[str]]] = (
    (_("Scheduling"), ("drain", "maintain", "shut_down", "activate", "device_status", "move_group", "health_check")),
    (_("Power"), ("power_on", "power_off", "power_soft", "power_cycle", "power_reset", "power_status")),
    (_("Inventory"), ("add_tag", "remove_tag", "set_rack")),
)


@gzip_page
def node_grid(request: HttpRequest) -> HttpResponseBase:
    """Return a page of cards; a live page that renews itself gets only the cards."""
    wanted = wanted_by(request)
    chosen = chosen_nodes(wanted)
    found = count_found(chosen)
    number, last = _page(request.GET.get("p", ""), found.nodes)
    first = (number - 1) * PAGE
    actions = bulk_actions(request)
    part = {
        "cards": cards(chosen.order_by("name", "pk")[first : first + PAGE]),
        "found": found,
        "legend": legend(found, wanted),
        "page_links": _page_links(wanted, number, last),
        "span": (first + 1, min(first + PAGE, found.nodes)),
        "page": number,
        "last": last,
        "may_operate": bool(actions),
    }
    if request.headers.get("X-Live-Part"):
        return TemplateResponse(request, "console/node_cards.html", part)
    return render_page(request, "console/nodes.html", _("Node grid"), **part, **_bar(wanted, found, actions))


def bulk_actions(request: HttpRequest) -> list[tuple[Message, list[tuple[str, Message]]]]:
    """Return the actions of the admin's list of nodes that this operator may use, in groups."""
    actions = admin.site.get_model_admin(Backend).get_actions(request)
    allowed: dict[str, Message] = {name: action[2] for name, action in actions.items() if action}
    groups = [(title, [(name, allowed[name]) for name in names if name in allowed]) for title, names in BULK]
    return [(title, actions) for title, actions in groups if actions]


def legend(found: NodeCounts, wanted: Mapping[str, str]) -> list[tuple[str, Message, int, str]]:
    """Return CSS class, label, number of devices and address of each state."""
    others = {name: value for name, value in wanted.items() if name != "device"}
    return [
        (name, meaning.word, found.devices[name], query_of(others, device=name)) for name, meaning in MEANINGS.items()
    ]


def _bar(wanted: Mapping[str, str], found: NodeCounts, actions: object) -> dict[str, Any]:
    changelist = reverse("admin:backends_backend_changelist")
    return {
        "fields": filter_fields(wanted, None if "model" in wanted else found.models),
        "wanted": wanted,
        "actions": actions,
        "as_list": changelist + query_of(wanted),
        "ways": [
            (_("Heat map"), reverse("console:heat") + query_of(wanted)),
            (_("List"), changelist + query_of(wanted)),
        ],
    }


def _page(requested: str, nodes: int) -> tuple[int, int]:
    """Return the number of the page that is nearest to the requested one, and the number of the last page."""
    last = max(1, -(-nodes // PAGE))
    return min(whole(requested) or 1, last), last


def _page_links(wanted: Mapping[str, str], number: int, last: int) -> list[tuple[Message, str]]:
    """Return labels and addresses of other pages; without an address where there is no such page."""
    ways = ((_("First"), 1), (_("Previous"), number - 1), (_("Next"), number + 1), (_("Last"), last))
    return [(word, query_of(wanted, p=page) if page != number and 1 <= page <= last else "") for word, page in ways]
