import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import NewEvent, record, record_all
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.crypto import digest, new_secret
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, Message, NotFound
from moreh_cloud.lib.tombstone import hold
from tokens.choices import Spent
from tokens.errors import BudgetSpent, TokenGroupNotEmpty
from tokens.models import Token, TokenGroup

BATCH = 500  # rows in one UPDATE with a value of its own for each
STOPPED: Mapping[str, Message] = {
    Spent.MONEY: _("The token's budget of this month is spent: %(spent)s of %(limit)s %(unit)s."),
    Spent.DEVICE_HOURS: _("The token's quota of this month is used up: %(spent)s of %(limit)s device-hours."),
}
VARIABLE = re.compile(r"[^\s=\x00-\x1f\x7f]{1,128}")


@transaction.atomic
def create_token(*, description: str, actor: Actor, groups: Iterable[TokenGroup] = (), **fields: Any) -> Token:
    """Make a token with a new secret value.

    `fields` may be priority, max_sda_count, max_duplicates, max_devices, access_level, env. Raises InvalidParameter.
    """
    value = new_secret()
    token = Token(description=description, value=value, value_digest=digest(value), **fields)
    _check(token)
    token.save(force_insert=True)
    token.groups.set(groups)
    record(
        "CREATE_TOKEN",
        actor=actor,
        subject=f"token/{token.pk}",
        token_id=token.pk,
        description=description,
        **_told(fields),
    )
    return token


@transaction.atomic
def update_token(token: Token, *, actor: Actor, **fields: Any) -> Token:
    """Change description, priority, max_sda_count, max_duplicates, max_devices, access_level or env.

    Raises InvalidParameter.
    """
    locked: Token = _lock(token)
    for name, value in fields.items():
        setattr(locked, name, value)
    _check(locked)
    locked.save(update_fields=list(fields))
    record("UPDATE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk, **_told(fields))
    return locked


@transaction.atomic
def rotate_token(token: Token, *, actor: Actor) -> Token:
    """Give the token another value; the old one stops working at once."""
    locked = _lock(token)
    locked.value = new_secret()
    locked.value_digest = digest(locked.value)
    locked.save(update_fields=["value", "value_digest"])
    record("ROTATE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)
    return locked


@transaction.atomic
def reveal_token(token: Token, *, actor: Actor) -> str:
    """Give the value to an operator who asked for it, and write down that they did. Raises NotFound."""
    value: str = _lock(token).value
    record("REVEAL_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)
    return value


@transaction.atomic
def delete_token(token: Token, *, actor: Actor) -> None:
    """Leave a tombstone. Who owns SDAs is not known here: `sda.services.delete_token` asks first."""
    if not Token.objects.live().filter(pk=token.pk).update(deleted_at=db_now()):
        raise NotFound
    record("DELETE_TOKEN", actor=actor, subject=f"token/{token.pk}", token_id=token.pk)


@transaction.atomic
def create_token_group(*, name: str, actor: Actor, tokens: Iterable[Token] = (), **fields: Any) -> TokenGroup:
    """Make a user group; `fields` may be description, index, max_devices. Raises Duplicate."""
    group = TokenGroup(name=name, **fields)
    _save_group(group)
    group.tokens.set(tokens)
    record("CREATE_USER_GROUP", actor=actor, subject=f"usergroup/{group.pk}", name=name)
    return group


@transaction.atomic
def update_token_group(
    group: TokenGroup, *, actor: Actor, tokens: Iterable[Token] | None = None, **fields: Any
) -> TokenGroup:
    """Change name, description, index, max_devices or the tokens of a user group. Raises Duplicate."""
    hold(group)
    for name, value in fields.items():
        setattr(group, name, value)
    _save_group(group)
    if tokens is not None:
        group.tokens.set(tokens)
    record("UPDATE_USER_GROUP", actor=actor, subject=f"usergroup/{group.pk}", **fields)
    return group


@transaction.atomic
def delete_token_group(group: TokenGroup, *, actor: Actor, force: bool = False) -> None:
    """Leave a tombstone. Raises TokenGroupNotEmpty unless `force`, which takes the tokens out first."""
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
    """Put a token into a user group; twice is once. Raises Conflict when either was deleted meanwhile."""
    hold(group, "group")
    hold(token, "token_id")
    group.tokens.add(token)
    record("ADD_TOKEN_TO_GROUP", actor=actor, subject=f"usergroup/{group.pk}", token_id=token.pk)


@transaction.atomic
def remove_token_from_group(token: Token, group: TokenGroup, *, actor: Actor) -> None:
    """Take a token out of a user group. Raises NotFound if it is not in it."""
    if not group.tokens.filter(pk=token.pk).exists():
        raise NotFound(group=group.pk)
    group.tokens.remove(token)
    record("REMOVE_TOKEN_FROM_GROUP", actor=actor, subject=f"usergroup/{group.pk}", token_id=token.pk)


def require_not_stopped(token: Token) -> None:
    """Raise BudgetSpent, with what was spent and how much it might, while the token may start no new job."""
    if token.stopped_at is None:
        return
    why = token.stopped_for
    raise BudgetSpent(STOPPED[why["kind"]] % why, parameter="token", **why)


@transaction.atomic
def stop_tokens(stops: Mapping[int, Mapping[str, str]], *, actor: Actor) -> list[int]:
    """Let tokens start no new job, and give the ids of those that could before; what runs goes on.

    `stops` says for each what it has used up: kind (of Spent), limit, spent and unit.
    """
    now = db_now()
    tokens = list(Token.objects.live().select_for_update().filter(pk__in=stops).order_by("pk"))
    new = [token.pk for token in tokens if token.stopped_at is None]
    for token in tokens:
        token.stopped_at, token.stopped_for = token.stopped_at or now, dict(stops[token.pk])
    Token.objects.bulk_update(tokens, ["stopped_at", "stopped_for"], batch_size=BATCH)
    record_all((NewEvent("STOP_TOKEN", f"token/{pk}", pk, dict(stops[pk])) for pk in new), actor=actor)
    return new


@transaction.atomic
def free_tokens(ids: Iterable[int], *, actor: Actor) -> list[int]:
    """Let stopped tokens start jobs again, and give the ids of those that could not before."""
    stopped = Token.objects.filter(pk__in=list(ids), stopped_at__isnull=False)
    found = list(stopped.select_for_update().order_by("pk").values_list("pk", flat=True))
    Token.objects.filter(pk__in=found).update(stopped_at=None, stopped_for={})
    record_all((NewEvent("FREE_TOKEN", f"token/{pk}", pk, {}) for pk in found), actor=actor)
    return found


def _lock(token: Token) -> Token:
    locked: Token | None = Token.objects.live().select_for_update().filter(pk=token.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _check(token: Token) -> None:
    if token.max_duplicates != 1 and token.max_sda_count != 1:
        raise InvalidParameter(
            _("Several jobs at once on one SDA need a token that may own only one SDA."), parameter="maxDuplicates"
        )
    if not isinstance(token.env, dict) or not all(isinstance(v, str) for v in token.env.values()):
        raise InvalidParameter(_("env must map names to strings."), parameter="env")
    if wrong := [name for name in token.env if not VARIABLE.fullmatch(name)]:
        raise InvalidParameter(_("A variable's name has 1 to 128 characters, no blank and no =."), env=wrong[0])
    try:
        token.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    """Say which variables the environment has, never what they hold."""
    return {name: sorted(value) if name == "env" else value for name, value in fields.items()}


def _save_group(group: TokenGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Duplicate(label=group.name) from error
