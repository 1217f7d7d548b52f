"""SDA models, their groups and SDAs as plain dictionaries, in a fixed number of queries whatever their number."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from backends.api.cards import bare_cards, device_cards, group_card
from backends.queries.devices import backends_with, devices_among
from core.api.shapes import Card, Showing, plain
from inventory.queries import values_by_object
from scheduler.queries.holders import devices_held_by
from sda.models import Membership, Sda, SdaModel, SdaModelFieldValue, SdaModelGroup
from sda.queries import access_of, tokens_of_model_groups
from tokens.api.cards import group_cards as token_group_cards
from tokens.api.cards import list_tokens, token_cards
from tokens.queries import any_tokens

GROUP = ("pk", "name", "description", "index", "backend_group__combine", "backend_group_id", "backend_group__name")
MODEL = ("pk", "name", "num_devices", "description", "open")


def model_cards(models: QuerySet[SdaModel], showing: Showing) -> list[Card]:
    """Return SDA models with their groups and custom fields, in three queries; with lists of tokens in more."""
    chosen = plain(models)
    cards = {row[0]: _model_card(*row) for row in chosen.values_list(*MODEL)}
    groups: dict[int, Card] = {}
    inside = SdaModelGroup.objects.live().filter(sda_models__in=chosen.values("pk")).order_by("index", "pk")
    for model, *row in inside.values_list("sda_models", *GROUP):
        if model in cards:
            cards[model]["groups"].append(groups.setdefault(row[0], _group_card(row)))
    values = values_by_object(SdaModelFieldValue, list(cards))
    for pk, card in cards.items():
        card["group"] = card["groups"][0] if card["groups"] else None
        card["customFields"] = values.get(pk, {})
    if showing.tokenlists:
        list_members(groups, showing)
    return list(cards.values())


def usable_cards(token: Any, models: QuerySet[SdaModel], showing: Showing) -> list[Card]:
    """Return what a token may use of some models, one entry for each model and model group."""
    wanted = set(plain(models).values_list("pk", flat=True))
    values = values_by_object(SdaModelFieldValue, list(wanted))
    groups: dict[int, Card] = {}
    entries = []
    for way in access_of(token):
        group, model = None, way.model
        if model.pk not in wanted:
            continue
        if way.group:
            group = groups.setdefault(way.group.pk, _named_card(way.group))
        card = _model_card(model.pk, model.name, model.num_devices, model.description, model.open)
        entries.append(
            card | {"groups": [group] if group else [], "group": group, "customFields": values.get(model.pk, {})}
        )
    if showing.tokenlists:
        list_members(groups, showing)
    return entries


def model_group_cards(groups: QuerySet[SdaModelGroup], showing: Showing) -> list[Card]:
    """Return SDA model groups with their models and tokens, in six queries."""
    cards = {row[0]: _group_card(row) | {"sdamodels": []} for row in plain(groups).values_list(*GROUP)}
    _list_models(cards)
    list_members(cards, showing)
    return list(cards.values())


def membership_cards(groups: QuerySet[Any], showing: Showing) -> list[Card]:
    """Return user groups with the SDA model groups that their tokens may use."""
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
    """Return SDAs with their tokens and the devices that they hold now, in eight queries; with lists in nine."""
    chosen = plain(sdas)
    tokens = token_cards(any_tokens(chosen.values("token_id")), showing)
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
    """Return the backends of each SDA, with only the devices that it holds now."""
    devices = devices_held_by(sdas)
    backends, _groups = bare_cards(backends_with(devices))
    held: dict[int, dict[int, Card]] = {}
    for device in device_cards(devices_among(devices), showing):
        node = int(device["backendId"])
        if device["sdaId"] is None or node not in backends:
            continue
        mine = held.setdefault(device["sdaId"], {})
        mine.setdefault(node, backends[node] | {"devices": []})["devices"].append(device)
    return {sda: list(nodes.values()) for sda, nodes in held.items()}


def list_members(groups: dict[int, Card], showing: Showing) -> None:
    """Set the `tokenlist` of SDA model groups by the memberships, in four queries."""
    for group in groups.values():
        group["tokenlist"] = []
    list_tokens(groups, tokens_of_model_groups(groups), showing)


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
