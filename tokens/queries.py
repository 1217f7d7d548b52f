from django.db.models import QuerySet
from django.utils.translation import gettext as _

from moreh_cloud.lib.crypto import digest
from moreh_cloud.lib.errors import NotFound, Unauthenticated
from tokens.models import Token, TokenGroup


def live_tokens() -> QuerySet[Token]:
    """Give every token that was not deleted, with its groups."""
    return Token.objects.live().prefetch_related("groups")


def live_token_groups() -> QuerySet[TokenGroup]:
    return TokenGroup.objects.live()


def find_token(value: str) -> Token | None:
    """Find a token by its value, if there is one."""
    token: Token | None = Token.objects.live().filter(value_digest=digest(value)).first()
    return token


def tokens_like(part: str, *, by_value: bool) -> list[int]:
    """Find tokens, deleted ones too, by a part of their description or of their value (which is encrypted)."""
    described = Token.objects.filter(description__icontains=part)
    if not by_value:
        return list(described.values_list("pk", flat=True))
    rows = Token.objects.values_list("pk", "value", "description")
    return [pk for pk, value, description in rows if part in value or part.lower() in description.lower()]


def get_token(value: str) -> Token:
    """Find a token by its value. Raises NotFound."""
    token = find_token(value)
    if token is None:
        raise NotFound(token="…")  # noqa: S106 - the value itself never goes into an error
    return token


def authenticate_token(value: str) -> Token:
    """Find the token that a client presents. Raises Unauthenticated."""
    try:
        return get_token(value)
    except NotFound:
        raise Unauthenticated(_("This token is not known.")) from None
