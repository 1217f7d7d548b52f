"""The import of tokens and user groups. A file never contains token values; each new token gets one here."""

from typing import Any

from django.db.models import Prefetch

from core.admin.cells import by_field, document, found_by_name, key_number, number_or_none, rows_named
from core.admin.importing import IMPORTERS, Column, Importer
from core.errors import NotFound
from events.actor import Actor
from tokens.models import Token, TokenGroup
from tokens.services import (
    add_token_to_group,
    create_token,
    create_token_group,
    remove_token_from_group,
    update_token,
    update_token_group,
)


def _find_token(values: Any) -> Token | None:
    if "id" not in values:
        return None
    row: Token | None = Token.objects.live().filter(pk=values["id"]).first()
    if row is None:
        raise NotFound(id=values["id"])
    return row


def _update_token(actor: Actor, row: Token, changes: dict[str, Any]) -> None:
    groups = changes.pop("groups", None)
    if changes:
        update_token(row, actor=actor, **changes)
    if groups is None:
        return
    present = set(row.groups.all())
    for group in set(groups) - present:
        add_token_to_group(row, group, actor=actor)
    for group in present - set(groups):
        remove_token_from_group(row, group, actor=actor)


def _update_group(actor: Actor, row: TokenGroup, changes: dict[str, Any]) -> None:
    members = changes.pop("members", None)
    update_token_group(row, actor=actor, tokens=members, **changes)


def _own(name: str) -> Column:
    return Column(name, by_field(Token, name), lambda row: getattr(row, name))


def _groups() -> Any:
    return TokenGroup.objects.live().prefetch_related(*IMPORTERS[TokenGroup].prefetch)


IMPORTERS[Token] = Importer(
    columns=(
        Column("id", key_number, lambda row: row.pk),
        Column("description", by_field(Token, "description"), lambda row: row.description, needed=True),
        _own("priority"),
        _own("max_sda_count"),
        _own("max_duplicates"),
        Column("max_devices", number_or_none(Token, "max_devices"), lambda row: row.max_devices),
        _own("access_level"),
        Column("env", document, secret=True),  # what it holds is the customer's
        Column("groups", rows_named(TokenGroup.objects.live), lambda row: sorted(one.name for one in row.groups.all())),
    ),
    find=_find_token,
    create=lambda actor, values: create_token(actor=actor, **values),
    update=_update_token,
    key=("id",),
    key_needed=False,
    names={"maxDuplicates": "max_duplicates", "maxSdaCount": "max_sda_count"},
)
IMPORTERS[TokenGroup] = Importer(
    columns=(
        Column("name", by_field(TokenGroup, "name"), lambda row: row.name, needed=True),
        Column("description", by_field(TokenGroup, "description"), lambda row: row.description),
        Column("index", by_field(TokenGroup, "index"), lambda row: row.index),
        Column("max_devices", number_or_none(TokenGroup, "max_devices"), lambda row: row.max_devices),
        Column("members", rows_named(Token.objects.live, "id"), lambda row: sorted(one.pk for one in row.tokens.all())),
    ),
    find=found_by_name(_groups),
    create=lambda actor, values: create_token_group(actor=actor, tokens=values.pop("members", ()), **values),
    update=_update_group,
    prefetch=(Prefetch("tokens", Token.objects.live().only("id")),),
    names={"label": "name"},
)
