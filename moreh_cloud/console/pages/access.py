"""Who may use what: the picture of all groups, what a change would take away, and what one token may use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page

from backends.choices import DEFAULT_GROUP
from moreh_cloud.accounts.choices import Role
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.queries.access import Picture, find_tokens, groups_of, picture, tokens_by_groups
from moreh_cloud.console.queries.rights import Loss, World, loss
from tokens.models import Token

NAMED = 8  # rights that the question lists
Changed = Callable[[World, int, int], World]
CHANGES: Mapping[str, Changed] = {
    "membership": World.without_membership,
    "model-out": World.without_model,
    "model-in": World.with_model,
    "move": World.moved,
}


@dataclass(frozen=True, slots=True)
class Way:
    """One path on which a token may use a model."""

    model: str
    devices: int
    user_group: str
    model_group: str
    node_group: str


@gzip_page
def page(request: HttpRequest) -> HttpResponse:
    """Show the picture; with `?token=…` also what this token may use, and on which paths."""
    shown = picture()
    token = _token(request.GET.get("token", ""))
    _users, groups, nodes, _models = shown.names
    context = {
        "picture": shown,
        "default": DEFAULT_GROUP,
        "rows": [(row.pk, row.name, pk, groups[pk]) for row in shown.user_groups for pk in row.model_groups],
        "grouped": [(group, nodes[group.backend_group]) for group in shown.model_groups],
        "token": token,
        "may_write": getattr(request.user, "role", "") != Role.READ_ONLY,
    }
    if token:
        mine = groups_of(token)
        context |= {"token_groups": [row for row in shown.user_groups if row.pk in mine], "ways": ways(shown, mine)}
        context["other_groups"] = [row for row in shown.user_groups if row.pk not in mine]
    return show(request, "console/access.html", gettext_lazy("Who may use what"), **context)


def ways(shown: Picture, mine: frozenset[int]) -> list[Way]:
    """List every path from these user groups to a model, then the models that are open (no groups)."""
    by_id = {group.pk: group for group in shown.model_groups}
    nodes = shown.names[2]
    found = [
        Way(model.name, model.devices, row.name, group.name, nodes[group.backend_group])
        for row in shown.user_groups
        if row.pk in mine
        for group in (by_id[pk] for pk in row.model_groups)
        for model in group.models
    ]
    return found + [Way(model.name, model.devices, "", "", nodes[DEFAULT_GROUP]) for model in shown.open_models]


def tokens(request: HttpRequest) -> JsonResponse:
    """Offer tokens by a part of their description."""
    part = request.GET.get("q", "").strip()
    found = find_tokens(part) if part else []
    return JsonResponse({"tokens": [{"id": pk, "name": name} for pk, name in found]})


def question(request: HttpRequest) -> JsonResponse:
    """Say what a change would take from how many tokens: `kind` of CHANGES or `token`, and its two ids."""
    kind = request.GET.get("kind", "")
    try:
        first, second = int(request.GET.get("a", "")), int(request.GET.get("b", ""))
    except ValueError:
        raise Http404 from None
    if kind not in (*CHANGES, "token"):
        raise Http404
    shown = picture(sizes=False)
    found = _leaves(shown, first, second) if kind == "token" else _changes(shown, CHANGES[kind], first, second)
    return JsonResponse({"tokens": found.tokens, "says": _says(found), "losses": _named(shown, found)})


def _changes(shown: Picture, change: Changed, first: int, second: int) -> Loss:
    world = shown.world
    tokens = [(groups, groups, number) for groups, number in tokens_by_groups().items()]
    return loss(world, change(world, first, second), tokens)


def _leaves(shown: Picture, token_id: int, group: int) -> Loss:
    token = _token(str(token_id))
    if token is None:
        raise Http404
    mine = groups_of(token)
    return loss(shown.world, shown.world, [(mine, mine - {group}, 1)])


def _says(found: Loss) -> str:
    if not found.tokens:
        return _("No token loses anything.")
    return _("Tokens that lose something: %(number)s") % {"number": found.tokens}


def _named(shown: Picture, found: Loss) -> Sequence[str]:
    """Name the rights that are lost, those of most tokens first."""
    _users, _groups, nodes, models = shown.names
    rights = sorted(found.rights.items(), key=lambda one: (-one[1], models.get(one[0][0], "")))
    text = _("%(model)s on %(nodes)s (tokens: %(number)s)")
    named = [
        text % {"model": models.get(model, ""), "nodes": nodes.get(group, ""), "number": number}
        for (model, group), number in rights[:NAMED]
    ]
    others = len(rights) - len(named)
    return [*named, _("and %(others)s more") % {"others": others}] if others else named


def _token(pk: str) -> Token | None:
    found: Token | None = Token.objects.live().filter(pk=pk).first() if pk.isdigit() else None
    return found
