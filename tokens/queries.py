"""Queries about tokens and user groups."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.crypto import digest, readable
from core.errors import NotFound, Unauthenticated
from tokens.models import Token, TokenGroup


def live_tokens() -> QuerySet[Token]:
    """Return every token that was not deleted, with its groups."""
    return Token.objects.live().prefetch_related("groups")


def live_token_groups() -> QuerySet[TokenGroup]:
    """Return every user group that was not deleted."""
    return TokenGroup.objects.live()


def any_tokens(pks: Iterable[int] | QuerySet[Any]) -> QuerySet[Token]:
    """Return tokens by their ids, deleted ones too, because their history is shown with them."""
    return Token.objects.filter(pk__in=pks)


def token_names(pks: Iterable[int]) -> Mapping[int, str]:
    """Return the descriptions of tokens by their ids, deleted ones too."""
    return dict(Token.objects.filter(pk__in=pks).values_list("pk", "description"))


def find_token_by_id(pk: int) -> Token | None:
    """Return the token with this id, unless it was deleted."""
    token: Token | None = Token.objects.live().filter(pk=pk).first()
    return token


def find_token(value: str) -> Token | None:
    """Return the token with this value, or None."""
    token: Token | None = Token.objects.live().filter(value_digest=digest(value)).first()
    return token


def find_any_token(value: str) -> Token | None:
    """Return the token with this value, also a deleted one, because its history can be queried by the value."""
    token: Token | None = Token.objects.filter(value_digest=digest(value)).first()
    return token


def tokens_like(part: str, *, by_value: bool) -> list[int]:
    """Return the ids of tokens, deleted ones too, whose description contains `part`, or with `by_value` their value."""
    described = Token.objects.filter(description__icontains=part)
    if not by_value:
        return list(described.values_list("pk", flat=True))
    rows = Token.objects.values_list("pk", "value", "description")
    return [
        pk for pk, value, description in rows if part in (readable(value) or "") or part.lower() in description.lower()
    ]


def get_token(value: str) -> Token:
    """Return the token with this value. Raises NotFound."""
    token = find_token(value)
    if token is None:
        raise NotFound(token="…")  # noqa: S106 - the value itself never goes into an error
    return token


def revoked_tokens(presented: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return those pairs of a token's id and the digest of a value that are no longer valid, in one query."""
    ids = {pk for pk, _digest in presented}
    return set(presented) - set(Token.objects.live().filter(pk__in=ids).values_list("pk", "value_digest"))


def authenticate_token(value: str) -> Token:
    """Return the token whose value a client presents. Raises Unauthenticated."""
    try:
        return get_token(value)
    except NotFound:
        raise Unauthenticated(_("This token is not known.")) from None
