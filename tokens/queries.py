from django.db.models import QuerySet

from moreh_cloud.lib.crypto import digest
from moreh_cloud.lib.errors import NotFound, Unauthenticated
from tokens.models import Token, TokenGroup


def live_tokens() -> QuerySet[Token]:
    """Give every token that was not deleted, with its groups."""
    return Token.objects.live().prefetch_related("groups")


def live_token_groups() -> QuerySet[TokenGroup]:
    return TokenGroup.objects.live()


def get_token(value: str) -> Token:
    """Find a token by its value. Raises NotFound."""
    token: Token | None = Token.objects.live().filter(value_digest=digest(value)).first()
    if token is None:
        raise NotFound(token="…")  # noqa: S106 - the value itself never goes into an error
    return token


def authenticate_token(value: str) -> Token:
    """Find the token that a client presents. Raises Unauthenticated."""
    try:
        return get_token(value)
    except NotFound:
        raise Unauthenticated from None
