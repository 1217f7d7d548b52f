"""Tokens and user groups as plain dictionaries, in a fixed number of queries whatever their number."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from core.api.shapes import Card, Showing
from inventory.queries import values_by_object
from sda.queries import current_sdas
from tokens.models import Token, TokenFieldValue, TokenGroup

FIELDS = ("pk", "value", "description", "priority", "max_sda_count", "max_duplicates", "max_devices", "access_level")


def plain_cards(tokens: QuerySet[Token], showing: Showing) -> dict[int, Card]:
    """Return tokens by id, in their order, as nested in a group, with the names of their groups, in three queries."""
    cards = _cards(tokens, showing)
    for token, _group, name in _links(tokens).values_list("token", "tokengroup", "tokengroup__name"):
        if token in cards:
            cards[token]["grouplist"].append(name)
    return cards


def token_cards(tokens: QuerySet[Token], showing: Showing, *, env: bool = False) -> dict[int, Card]:
    """Return tokens by id, in their order, with their groups, in three queries; with lists of tokens in four.

    The environment is a customer's secret: `env` is set only for responses that are about the tokens themselves. They
    also have custom fields, in one query more.
    """
    cards = _cards(tokens, showing, env=env)
    groups: dict[int, Card] = {}
    names = ("tokengroup__name", "tokengroup__description", "tokengroup__index")
    for token, pk, *row in _links(tokens).values_list("token", "tokengroup", *names):
        group = groups.setdefault(pk, _group_card(pk, *row))
        if token in cards:
            cards[token]["grouplist"].append(group)
    values = values_by_object(TokenFieldValue, list(cards)) if env else {}
    for token, card in cards.items():
        card["customFields"] = values.get(token, {})
    if showing.tokenlists:
        _list_values(groups, showing)
    return cards


def group_cards(groups: QuerySet[TokenGroup], showing: Showing) -> list[Card]:
    """Return user groups with their tokens, in five queries."""
    rows = groups.values_list("pk", "name", "description", "index", "max_devices")
    cards = {row[0]: {**_group_card(*row[:4]), "tokenlist": [], "maxDevices": row[4]} for row in rows}
    links = _links(Token.objects.live()).filter(tokengroup__in=list(cards)).values_list("tokengroup", "token")
    list_tokens(cards, list(links), showing)
    return list(cards.values())


def list_tokens(groups: dict[int, Card], links: Iterable[tuple[int, int]], showing: Showing) -> None:
    """Add tokens to the `tokenlist` of groups of any kind; `links` are pairs of the ids of a group and a token."""
    pairs = sorted(set(links))
    tokens = plain_cards(Token.objects.live().filter(pk__in={token for _group, token in pairs}), showing)
    for group, token in pairs:
        if token in tokens:
            groups[group]["tokenlist"].append(tokens[token])


def _cards(tokens: QuerySet[Token], showing: Showing, *, env: bool = False) -> dict[int, Card]:
    plain = tokens.prefetch_related(None)
    current = current_sdas(plain)
    return {
        pk: {
            "value": showing.secret(value),
            "description": description,
            "priority": priority,
            "maxSdaCount": max_sda_count,
            "maxDuplicates": max_duplicates,
            "targetSdaId": current.get(pk),
            "accessLevel": access_level,
            "env": showing.variables(*variables) if variables else {},
            "grouplist": [],
            "maxDevices": max_devices,
        }
        for (
            pk,
            value,
            description,
            priority,
            max_sda_count,
            max_duplicates,
            max_devices,
            access_level,
            *variables,
        ) in plain.values_list(*FIELDS, *(("env",) if env else ()))
    }


def _links(tokens: QuerySet[Token]) -> QuerySet[Any]:
    """Return the rows that link tokens to groups that are not deleted, ordered by group."""
    rows: QuerySet[Any] = Token.groups.through._default_manager.filter(
        token__in=tokens.prefetch_related(None).values("pk"), tokengroup__deleted_at__isnull=True
    )
    return rows.order_by("tokengroup__index", "tokengroup", "token")


def _group_card(pk: int, name: str, description: str, index: int) -> Card:
    return {"id": pk, "name": name, "description": description, "index": index, "combine": False}


def _list_values(groups: dict[int, Card], showing: Showing) -> None:
    for group in groups.values():
        group["tokenlist"] = []
    members = _links(Token.objects.live()).filter(tokengroup__in=list(groups))
    for pk, value in members.values_list("tokengroup", "token__value"):
        groups[pk]["tokenlist"].append(showing.secret(value))
