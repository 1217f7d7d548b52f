"""SDA models, their groups and SDAs as plain dictionaries, in a fixed number of queries whatever their number."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from backends.api.cards import bare_cards, device_cards, group_card, plain
from backends.models import Backend, Device
from moreh_cloud.lib.api.shapes import Showing
from scheduler.models import Allocation
from scheduler.queries import OPEN
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from sda.queries import access_of
from tokens.api.cards import Card, list_tokens, token_cards
from tokens.api.cards import group_cards as token_group_cards
from tokens.models import Token, TokenGroup

GROUP = ("pk", "name", "description", "index", "backend_group__combine", "backend_group_id", "backend_group__name")
MODEL = ("pk", "name", "num_devices", "description", "open")


def model_cards(models: QuerySet[SdaModel], showing: Showing) -> list[Card]:
    """Shape SDA models with their groups: two queries, or more with lists of tokens."""
    chosen = plain(models)
    cards = {row[0]: _model_card(*row) for row in chosen.values_list(*MODEL)}
    groups: dict[int, Card] = {}
    inside = SdaModelGroup.objects.live().filter(sda_models__in=chosen.values("pk")).order_by("index", "pk")
    for model, *row in inside.values_list("sda_models", *GROUP):
        if model in cards:
            cards[model]["groups"].append(groups.setdefault(row[0], _group_card(row)))
    for card in cards.values():
        card["group"] = card["groups"][0] if card["groups"] else None
    if showing.tokenlists:
        list_members(groups, showing)
    return list(cards.values())


def usable_cards(token: Token, models: QuerySet[SdaModel], showing: Showing) -> list[Card]:
    """Shape what a token may use of some models, one entry per model and model group."""
    wanted = set(plain(models).values_list("pk", flat=True))
    groups: dict[int, Card] = {}
    entries = []
    for way in access_of(token):
        group, model = None, way.model
        if model.pk not in wanted:
            continue
        if way.group:
            group = groups.setdefault(way.group.pk, _named_card(way.group))
        card = _model_card(model.pk, model.name, model.num_devices, model.description, model.open)
        entries.append(card | {"groups": [group] if group else [], "group": group})
    if showing.tokenlists:
        list_members(groups, showing)
    return entries


def model_group_cards(groups: QuerySet[SdaModelGroup], showing: Showing) -> list[Card]:
    """Shape SDA model groups with their models and tokens: six queries."""
    cards = {row[0]: _group_card(row) | {"sdamodels": []} for row in plain(groups).values_list(*GROUP)}
    _list_models(cards)
    list_members(cards, showing)
    return list(cards.values())


def membership_cards(groups: QuerySet[TokenGroup], showing: Showing) -> list[Card]:
    """Shape user groups, each with the SDA model groups that it gives to its tokens."""
    cards = {card["id"]: card | {"sdamodelgroups": []} for card in token_group_cards(groups, showing)}
    ways = Membership.objects.filter(token_group__in=list(cards), model_group__deleted_at__isnull=True)
    children: dict[int, Card] = {}
    fields = [f"model_group__{name}" for name in GROUP]
    for parent, *row in ways.order_by("model_group__index", "model_group").values_list("token_group_id", *fields):
        child = children.setdefault(row[0], _group_card(row) | {"sdamodels": []})
        cards[parent]["sdamodelgroups"].append(child)
    _list_models(children)
    return list(cards.values())


def sda_cards(sdas: QuerySet[Sda], showing: Showing) -> list[Card]:
    """Shape SDAs with their tokens and the devices that they hold now, in eight queries, or nine with lists."""
    chosen = plain(sdas)
    tokens = token_cards(Token.objects.filter(pk__in=chosen.values("token_id")), showing)
    fields = ("pk", "model_id", "model__name", "model_group_id", "token_id", "reserved", "current")
    held = _held(chosen, showing)
    return [
        {
            "id": pk,
            "modelId": model,
            "sdamodelName": name,
            "groupId": group,
            "token": tokens.get(token),
            "reserved": reserved,
            "current": current,
            "numDevices": devices,
            "description": alias,
            "backends": held.get(pk, []),
        }
        for pk, model, name, group, token, reserved, current, devices, alias in chosen.values_list(
            *fields, "model__num_devices", "alias"
        )
    ]


def _held(sdas: QuerySet[Sda], showing: Showing) -> dict[int, list[Card]]:
    """Give the backends of each SDA, with only the devices that it holds now."""
    devices = Allocation.objects.filter(OPEN, sda__in=sdas.values("pk")).values("device")
    backends, _groups = bare_cards(Backend.objects.filter(devices__in=devices).distinct())
    held: dict[int, dict[int, Card]] = {}
    for device in device_cards(Device.objects.filter(pk__in=devices), showing):
        node = int(device["backendId"])
        if device["sdaId"] is None or node not in backends:
            continue
        mine = held.setdefault(device["sdaId"], {})
        mine.setdefault(node, backends[node] | {"devices": []})["devices"].append(device)
    return {sda: list(nodes.values()) for sda, nodes in held.items()}


def list_members(groups: dict[int, Card], showing: Showing) -> None:
    """List in SDA model groups the tokens that memberships give them: four queries."""
    for group in groups.values():
        group["tokenlist"] = []
    list_tokens(groups, _entitled(groups), showing)


def _entitled(groups: Iterable[int]) -> list[tuple[int, int]]:
    ways = Membership.objects.filter(
        model_group__in=list(groups),
        token_group__deleted_at__isnull=True,
        token_group__tokens__deleted_at__isnull=True,
        token_group__tokens__isnull=False,
    )
    return list(ways.values_list("model_group", "token_group__tokens").distinct())


def _list_models(groups: dict[int, Card]) -> None:
    models = SdaModel.objects.live().filter(groups__in=list(groups)).order_by("pk")
    for group, pk, name, devices in models.values_list("groups", "pk", "name", "num_devices"):
        groups[group]["sdamodels"].append({"id": pk, "name": name, "numDevices": devices})


def _model_card(pk: int, name: str, num_devices: int, description: str, open_: bool) -> Card:
    return {
        "id": pk,
        "name": name,
        "numDevices": num_devices,
        "description": description,
        "open": open_,
        "groups": [],
        "group": None,
    }


def _group_card(row: Sequence[Any]) -> Card:
    *own, backend_group, name = row
    return group_card(*own) | {"backendGroup": {"id": backend_group, "name": name}}


def _named_card(group: SdaModelGroup) -> Card:
    bound = group.backend_group
    return _group_card((group.pk, group.name, group.description, group.index, bound.combine, bound.pk, bound.name))
