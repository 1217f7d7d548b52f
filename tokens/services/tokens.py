"""Tokens: created, changed, rotated, revealed, deleted; and held while a program acts for one."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from core.crypto import digest, new_secret
from core.errors import InvalidParameter, NotFound, Unauthenticated
from core.locks import keep
from core.texts import require_row, values_of
from events.actor import Actor
from events.services import record
from inventory.services import set_custom_values
from tokens.models import Token, TokenFieldValue, TokenGroup
from tokens.services.environment import require_environment
from tokens.signals import token_rotated


@transaction.atomic
def create_token(
    *,
    description: str,
    actor: Actor,
    groups: Iterable[TokenGroup] = (),
    custom_fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Token:
    """Create a token with a new secret value.

    `fields` may be priority, max_sda_count, max_duplicates, max_devices, access_level, env. `custom_fields` None:
    nobody was asked, so required ones may be missing. Raises InvalidParameter.
    """
    value = new_secret()
    token = Token(description=description, value=value, value_digest=digest(value), **fields)
    _check(token, {"description", *fields})
    token.save(force_insert=True)
    token.groups.set(groups)
    record(
        "CREATE_TOKEN",
        actor=actor,
        subject=f"token/{token.pk}",
        token_id=token.pk,
        **_event_fields(values_of(token, ("description", *fields))),
        **_set_fields(token, custom_fields, complete=True),
    )
    return token


@transaction.atomic
def update_token(token: Token, *, actor: Actor, custom_fields: Mapping[str, Any] | None = None, **fields: Any) -> Token:
    """Change description, priority, max_sda_count, max_duplicates, max_devices, access_level or env.

    `custom_fields`: those that change. Raises InvalidParameter.
    """
    locked: Token = _lock(token)
    for name, value in fields.items():
        setattr(locked, name, value)
    _check(locked, fields.keys())
    locked.save(update_fields=list(fields))
    values = _event_fields(values_of(locked, fields)) | _set_fields(locked, custom_fields)
    record("UPDATE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk, **values)
    return locked


@transaction.atomic
def rotate_token(token: Token, *, actor: Actor) -> Token:
    """Replace the value of a token and return the token. The old value is void at once, also on open job streams."""
    locked = _lock(token)
    locked.value = new_secret()
    locked.value_digest = digest(locked.value)
    locked.save(update_fields=["value", "value_digest"])
    record("ROTATE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)
    token_rotated.send(Token, token_id=token.pk)
    return locked


@contextmanager
def presented(value_digest: str, *, alone: bool = False) -> Iterator[Token]:
    """Run a transaction for the token whose value has this digest, and yield the token.

    Nobody can rotate or delete the token before the transaction ends, so nothing is written for a void value.
    `alone` locks the token exclusively, for callers that change its SDAs. Raises Unauthenticated.
    """
    with transaction.atomic():
        live = Token.objects.live().filter(value_digest=value_digest)
        if alone:
            live = live.select_for_update(no_key=True)
        else:
            keep(Token, list(live.values_list("pk", flat=True)))
        token: Token | None = live.first()
        if token is None:
            raise Unauthenticated(_("This token is not known."))
        yield token


@transaction.atomic
def reveal_token(token: Token, *, actor: Actor) -> str:
    """Return the value of a token for an operator, and record an event of it.

    Raises NotFound, SecretUnreadable.
    """
    value = str(_lock(token).value)
    record("REVEAL_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)
    return value


@transaction.atomic
def delete_token(token: Token, *, actor: Actor) -> None:
    """Mark a token as deleted. Call `sda.services.sdas.delete_token`, which refuses it for a token that owns SDAs."""
    if not Token.objects.live().filter(pk=token.pk).update(deleted_at=db_now()):
        raise NotFound
    record("DELETE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)


def _lock(token: Token) -> Token:
    locked: Token | None = Token.objects.live().select_for_update().filter(pk=token.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _check(token: Token, changed: Collection[str]) -> None:
    require_row(token, only=changed)
    if token.max_duplicates != 1 and token.max_sda_count != 1:
        raise InvalidParameter(
            _("Several jobs at once on one SDA need a token that may own only one SDA."), parameter="maxDuplicates"
        )
    if "env" in changed:
        require_environment(token.env)
    try:
        token.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error


def _set_fields(token: Token, given: Mapping[str, Any] | None, *, complete: bool = False) -> dict[str, Any]:
    """Set custom fields, and return what an event tells of it."""
    told = {} if given is None else set_custom_values(TokenFieldValue, token, given, complete=complete)
    return {"customFields": told} if told else {}


def _event_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for an event: of the environment only the names, never the values."""
    return {name: sorted(value) if name == "env" else value for name, value in fields.items()}
