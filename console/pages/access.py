"""The access page: all groups and their connections, what a change would take away, and what one token may use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page

from accounts.choices import Role
from backends.choices import DEFAULT_GROUP
from console.pages.base_page import render_page
from console.pages.params import search_text
from console.queries.access import AccessMap, access_map, find_tokens, groups_of, tokens_by_groups
from console.queries.rights import AccessRules, Loss, loss
from core.numbers import MAX_ID, whole
from tokens.models import Token

MOST_NAMED = 8  # rights that the confirmation lists
Change = Callable[[AccessRules, int, int], AccessRules]
CHANGES: Mapping[str, Change] = {
    "membership": AccessRules.without_membership,
    "model-out": AccessRules.without_model,
    "model-in": AccessRules.with_model,
    "move": AccessRules.with_backend_group,
}


@dataclass(frozen=True, slots=True)
class AccessPath:
    """A reason why a token may use a model: a user group and an SDA model group, or an open model."""

    model: str
    devices: int
    user_group: str
    model_group: str
    node_group: str


@gzip_page
def page(request: HttpRequest) -> HttpResponse:
    """Return the page; with `?token=…` it also lists what this token may use, and why."""
    access = access_map()
    token = _token(request.GET.get("token", ""))
    _users, groups, nodes, _models = access.names
    context = {
        "access": access,
        "default": DEFAULT_GROUP,
        "rows": [(row.pk, row.name, pk, groups[pk]) for row in access.user_groups for pk in row.model_groups],
        "grouped": [(group, nodes[group.backend_group]) for group in access.model_groups],
        "token": token,
        "may_write": getattr(request.user, "role", "") != Role.READ_ONLY,
    }
    if token:
        mine = groups_of(token)
        context["paths"] = access_paths(access, mine)
        context["token_groups"] = [row for row in access.user_groups if row.pk in mine]
        context["other_groups"] = [row for row in access.user_groups if row.pk not in mine]
    return render_page(request, "console/access.html", gettext_lazy("Who may use what"), **context)


def access_paths(access: AccessMap, mine: frozenset[int]) -> list[AccessPath]:
    """Return every path from these user groups to a model, then the open models (without groups)."""
    by_id = {group.pk: group for group in access.model_groups}
    nodes = access.names[2]
    found = [
        AccessPath(model.name, model.devices, row.name, group.name, nodes[group.backend_group])
        for row in access.user_groups
        if row.pk in mine
        for group in (by_id[pk] for pk in row.model_groups)
        for model in group.models
    ]
    return found + [AccessPath(model.name, model.devices, "", "", nodes[DEFAULT_GROUP]) for model in access.open_models]


def tokens(request: HttpRequest) -> JsonResponse:
    """Return tokens whose description contains a text."""
    part = search_text(request.GET.get("q"))
    found = find_tokens(part) if part else []
    return JsonResponse({"tokens": [{"id": pk, "name": name} for pk, name in found]})


def preview(request: HttpRequest) -> JsonResponse:
    """Return how many tokens would lose rights, and which, by a change: a `kind` of CHANGES or `token`, and two ids."""
    kind = request.GET.get("kind", "")
    first, second = (whole(request.GET.get(name), 0, MAX_ID) for name in ("a", "b"))
    if first is None or second is None or kind not in (*CHANGES, "token"):
        raise Http404
    access = access_map(sizes=False)
    if kind == "token":
        lost = _loss_by_leaving(access, first, second)
    else:
        lost = _loss_by_change(access, CHANGES[kind], first, second)
    return JsonResponse({"tokens": lost.tokens, "says": _summary(lost), "losses": _lost_rights(access, lost)})


def _loss_by_change(access: AccessMap, change: Change, first: int, second: int) -> Loss:
    rules = access.rules
    tokens = [(groups, groups, number) for groups, number in tokens_by_groups().items()]
    return loss(rules, change(rules, first, second), tokens)


def _loss_by_leaving(access: AccessMap, token_id: int, group: int) -> Loss:
    token = _token(str(token_id))
    if token is None:
        raise Http404
    mine = groups_of(token)
    return loss(access.rules, access.rules, [(mine, mine - {group}, 1)])


def _summary(lost: Loss) -> str:
    if not lost.tokens:
        return _("No token loses anything.")
    return _("Tokens that lose something: %(number)s") % {"number": lost.tokens}


def _lost_rights(access: AccessMap, lost: Loss) -> Sequence[str]:
    """Return the lost rights as text, those of most tokens first."""
    _users, _groups, nodes, models = access.names
    rights = sorted(lost.rights.items(), key=lambda one: (-one[1], models.get(one[0][0], "")))
    text = _("%(model)s on %(nodes)s (tokens: %(number)s)")
    named = [
        text % {"model": models.get(model, ""), "nodes": nodes.get(group, ""), "number": number}
        for (model, group), number in rights[:MOST_NAMED]
    ]
    others = len(rights) - len(named)
    return [*named, _("and %(others)s more") % {"others": others}] if others else named


def _token(pk: str) -> Token | None:
    found: Token | None = Token.objects.live().filter(pk=whole(pk, 1, MAX_ID) or 0).first()
    return found
