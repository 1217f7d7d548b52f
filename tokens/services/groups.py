"""User groups, and which tokens are in them."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction

from core.clock import db_now
from core.errors import NotFound
from core.texts import require_row, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from tokens.errors import TokenGroupNotEmpty
from tokens.models import Token, TokenGroup

WIRE_NAMES = {"name": "label"}


@transaction.atomic
def create_token_group(*, name: str, actor: Actor, tokens: Iterable[Token] = (), **fields: Any) -> TokenGroup:
    """Create a user group; `fields` may be description, index, max_devices. Raises Duplicate."""
    chosen = _lock_all(tokens)
    group = TokenGroup(name=name, **fields)
    _save(group, {"name", *fields})
    group.tokens.set(chosen)
    record("CREATE_USER_GROUP", actor=actor, subject=f"usergroup/{group.pk}", name=group.name)
    return group


@transaction.atomic
def update_token_group(
    group: TokenGroup, *, actor: Actor, tokens: Iterable[Token] | None = None, **fields: Any
) -> TokenGroup:
    """Change name, description, index, max_devices or the tokens of a user group. Raises Duplicate."""
    chosen = None if tokens is None else _lock_all(tokens)
    hold(group, alone=True)
    for name, value in fields.items():
        setattr(group, name, value)
    _save(group, fields.keys())
    if chosen is not None:
        group.tokens.set(chosen)
    record("UPDATE_USER_GROUP", actor=actor, subject=f"usergroup/{group.pk}", **values_of(group, fields))
    return group


@transaction.atomic
def delete_token_group(group: TokenGroup, *, actor: Actor, force: bool = False) -> None:
    """Mark a user group as deleted. Raises TokenGroupNotEmpty unless `force`, which takes the tokens out first."""
    hold(group)
    inside = group.tokens.live().count()
    if inside and not force:
        raise TokenGroupNotEmpty(id=group.pk, tokens=inside)
    group.tokens.clear()
    if not TokenGroup.objects.live().filter(pk=group.pk).update(deleted_at=db_now()):
        raise NotFound
    record("DELETE_USER_GROUP", actor=actor, subject=f"usergroup/{group.pk}", force=force)


@transaction.atomic
def add_token_to_group(token: Token, group: TokenGroup, *, actor: Actor) -> None:
    """Put a token into a user group; safe to repeat. Raises Conflict when either was deleted meanwhile."""
    hold(token, "token_id", alone=True)
    hold(group, "group")
    group.tokens.add(token)
    record("ADD_TOKEN_TO_GROUP", actor=actor, subject=f"usergroup/{group.pk}", token_id=token.pk)


@transaction.atomic
def remove_token_from_group(token: Token, group: TokenGroup, *, actor: Actor) -> None:
    """Take a token out of a user group. Raises NotFound if it is not in it."""
    if not group.tokens.filter(pk=token.pk).exists():
        raise NotFound(group=group.pk)
    group.tokens.remove(token)
    record("REMOVE_TOKEN_FROM_GROUP", actor=actor, subject=f"usergroup/{group.pk}", token_id=token.pk)


def _lock_all(tokens: Iterable[Token]) -> list[Token]:
    """Lock tokens, which comes before the lock of their group: no job of theirs starts while the limit changes."""
    chosen = list(tokens)
    list(Token.objects.select_for_update().filter(pk__in=[token.pk for token in chosen]).order_by("pk"))
    return chosen


def _save(group: TokenGroup, changed: Collection[str]) -> None:
    require_row(group, WIRE_NAMES, only=changed)
    with unique(label=group.name):
        group.save()
