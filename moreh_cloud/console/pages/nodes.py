"""The node grid: a card per node, chosen by the filters in the address."""

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
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.node_filters import filter_fields, query_of, wanted_by
from moreh_cloud.console.queries.node_choice import Found, chosen_nodes, count_found
from moreh_cloud.console.queries.nodes import cards
from moreh_cloud.console.queries.states import MEANINGS
from moreh_cloud.lib.errors import Message

PAGE = 60  # cards
BULK: Sequence[tuple[Message, Sequence[str]]] = (
    (_("Scheduling"), ("drain", "shut_down", "activate", "device_status", "move_group", "health_check")),
    (_("Power"), ("power_on", "power_off", "power_soft", "power_cycle", "power_reset", "power_status")),
)


@gzip_page
def node_grid(request: HttpRequest) -> HttpResponseBase:
    """Show a page of cards; a page that renews itself gets only the part that changes."""
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
        "turns": _turns(wanted, number, last),
        "span": (first + 1, min(first + PAGE, found.nodes)),
        "page": number,
        "last": last,
        "may_operate": bool(actions),
    }
    if request.headers.get("X-Live-Part"):
        return TemplateResponse(request, "console/node_cards.html", part)
    return show(request, "console/nodes.html", _("Node grid"), **part, **_bar(wanted, found, actions))


def bulk_actions(request: HttpRequest) -> list[tuple[Message, list[tuple[str, Message]]]]:
    """Give the actions of the list of nodes that this operator may run, in groups."""
    actions = admin.site.get_model_admin(Backend).get_actions(request)
    allowed: dict[str, Message] = {name: action[2] for name, action in actions.items() if action}
    groups = [(title, [(name, allowed[name]) for name in names if name in allowed]) for title, names in BULK]
    return [(title, actions) for title, actions in groups if actions]


def legend(found: Found, wanted: Mapping[str, str]) -> list[tuple[str, Message, int, str]]:
    """Give class, word, number of devices and address of each state."""
    others = {name: value for name, value in wanted.items() if name != "device"}
    return [
        (name, meaning.word, found.devices[name], query_of(others, device=name)) for name, meaning in MEANINGS.items()
    ]


def _bar(wanted: Mapping[str, str], found: Found, actions: object) -> dict[str, Any]:
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


def _page(wish: str, nodes: int) -> tuple[int, int]:
    """Give the number of the page, the nearest there is to the one wished, and that of the last."""
    last = max(1, -(-nodes // PAGE))
    return min(max(1, int(wish)) if wish.isascii() and wish.isdigit() and len(wish) < PAGE else 1, last), last


def _turns(wanted: Mapping[str, str], number: int, last: int) -> list[tuple[Message, str]]:
    """Give the ways to other pages, without an address where there is none."""
    ways = ((_("First"), 1), (_("Previous"), number - 1), (_("Next"), number + 1), (_("Last"), last))
    return [(word, query_of(wanted, p=page) if page != number and 1 <= page <= last else "") for word, page in ways]
