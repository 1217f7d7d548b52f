"""Queries of the access page: the groups of all three kinds and their connections."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from backends.choices import DEFAULT_GROUP
from backends.models import Backend, BackendGroup, Device
from console.queries.rights import AccessRules, Groups
from sda.models import Membership, SdaModel, SdaModelGroup
from tokens.models import Token, TokenGroup

MOST_FOUND = 10  # tokens that a search returns
LIVE_PAIR = Q(token_group__deleted_at__isnull=True, model_group__deleted_at__isnull=True)


@dataclass(frozen=True, slots=True)
class Model:
    """An SDA model: name, number of devices, and whether it is open."""

    pk: int
    name: str
    devices: int
    open: bool


@dataclass(frozen=True, slots=True)
class UserGroup:
    """A user group, its number of tokens, and the ids of the SDA model groups that they may use."""

    pk: int
    name: str
    tokens: int
    model_groups: Sequence[int]

    @property
    def links(self) -> str:
        """Return the keys of the page's elements with which it is connected."""
        return " ".join(f"g{pk}" for pk in self.model_groups)


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """An SDA model group with its models, and the backend group that serves it."""

    pk: int
    name: str
    backend_group: int
    models: Sequence[Model]


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A backend group with its numbers of nodes and devices."""

    pk: int
    name: str
    nodes: int
    devices: int


@dataclass(frozen=True, slots=True)
class AccessMap:
    """All groups of the three kinds, all SDA models, and the number of tokens."""

    user_groups: Sequence[UserGroup]
    model_groups: Sequence[ModelGroup]
    node_groups: Sequence[NodeGroup]
    models: Sequence[Model]
    tokens: int

    @property
    def open_models(self) -> Sequence[Model]:
        """Return the models that every token may use."""
        return [model for model in self.models if model.open]

    @property
    def names(self) -> tuple[Mapping[int, str], Mapping[int, str], Mapping[int, str], Mapping[int, str]]:
        """Return the names of user groups, model groups, backend groups and models by their ids."""
        kinds = (self.user_groups, self.model_groups, self.node_groups, self.models)
        users, groups, nodes, models = ({row.pk: row.name for row in kind} for kind in kinds)
        return users, groups, nodes, models

    @property
    def rules(self) -> AccessRules:
        """Return the same as sets of ids."""
        return AccessRules(
            memberships={row.pk: frozenset(row.model_groups) for row in self.user_groups},
            models={row.pk: frozenset(model.pk for model in row.models) for row in self.model_groups},
            nodes={row.pk: row.backend_group for row in self.model_groups},
            open=frozenset(model.pk for model in self.open_models),
            default=DEFAULT_GROUP,
        )


def access_map(*, sizes: bool = True) -> AccessMap:
    """Return all groups in ten queries; without `sizes` nothing is counted, in six queries."""
    models = [Model(*row) for row in SdaModel.objects.live().order_by("name").values_list(*MODEL_COLUMNS)]
    tokens = Token.objects.live().count() if sizes else 0
    return AccessMap(_user_groups(sizes), _model_groups(models), _node_groups(sizes), models, tokens)


MODEL_COLUMNS = ("pk", "name", "num_devices", "open")


def _user_groups(sizes: bool) -> list[UserGroup]:
    model_groups = _lists(Membership.objects.filter(LIVE_PAIR).values_list("token_group", "model_group"))
    pairs = Token.groups.through._default_manager.filter(token__deleted_at__isnull=True)
    size = _counts(pairs, "tokengroup") if sizes else {}
    rows = TokenGroup.objects.live().order_by("index", "name", "pk").values_list("pk", "name")
    return [UserGroup(pk, name, size.get(pk, 0), model_groups[pk]) for pk, name in rows]


def _model_groups(models: Sequence[Model]) -> list[ModelGroup]:
    known = {model.pk: model for model in models}
    inside = _lists(SdaModelGroup.sda_models.through._default_manager.values_list("sdamodelgroup", "sdamodel"))
    rows = SdaModelGroup.objects.live().order_by("index", "name", "pk").values_list("pk", "name", "backend_group")
    return [
        ModelGroup(pk, name, nodes, [known[model] for model in inside[pk] if model in known])
        for pk, name, nodes in rows
    ]


def _node_groups(sizes: bool) -> list[NodeGroup]:
    nodes = _counts(Backend.objects.live(), "group") if sizes else {}
    devices = _counts(Device.objects.filter(backend__deleted_at__isnull=True), "backend__group") if sizes else {}
    rows = BackendGroup.objects.live().order_by("index", "name", "pk").values_list("pk", "name")
    return [NodeGroup(pk, name, nodes.get(pk, 0), devices.get(pk, 0)) for pk, name in rows]


def groups_of(token: Token) -> Groups:
    """Return the ids of the live user groups of a token."""
    return frozenset(token.groups.filter(deleted_at=None).values_list("pk", flat=True))


def tokens_by_groups() -> Counter[Groups]:
    """Count the tokens that are in exactly the same user groups, in two queries."""
    pairs = Token.groups.through._default_manager.filter(
        token__deleted_at__isnull=True, tokengroup__deleted_at__isnull=True
    )
    of_token: defaultdict[int, list[int]] = defaultdict(list)
    for token, group in pairs.values_list("token", "tokengroup"):
        of_token[token].append(group)
    counted = Counter(frozenset(groups) for groups in of_token.values())
    counted[frozenset()] = Token.objects.live().count() - counted.total()
    return counted


def find_tokens(part: str) -> list[tuple[int, str]]:
    """Return some live tokens whose description contains a text, those that begin with it first."""
    found = Token.objects.live().filter(description__icontains=part)
    first = found.filter(description__istartswith=part).order_by("description", "pk")[:MOST_FOUND]
    rest = found.exclude(description__istartswith=part).order_by("description", "pk")[:MOST_FOUND]
    rows = [*first.values_list("pk", "description"), *rest.values_list("pk", "description")]
    return rows[:MOST_FOUND]


def _lists(pairs: Any) -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for left, right in pairs:
        found[left].append(right)
    return found


def _counts(rows: QuerySet[Any], field: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))
