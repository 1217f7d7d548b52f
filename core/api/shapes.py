"""Shared parts of all objects on the wire: what the caller may see of an object, and where a request came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from core.crypto import readable

MASK = "…"
Card = dict[str, Any]
"""An object as it goes out in JSON."""


@dataclass(frozen=True, slots=True)
class Showing:
    """Token values as they are or masked, and groups with or without their lists of tokens."""

    masked: bool = True
    tokenlists: bool = False

    def secret(self, value: Any) -> str:
        """Return a token's value, or what a Read-only operator sees of it; a mask if no key decrypts it."""
        plain: str | None = readable(value)
        if plain is None:
            return MASK
        return f"{plain[:4]}{MASK}" if self.masked else plain

    def variables(self, values: Any) -> Mapping[str, str]:
        """Return environment variables; a Read-only operator sees their names only, and nobody what no key decrypts."""
        plain: Mapping[str, str] | None = readable(values)
        if plain is None:
            return {MASK: MASK}
        return dict.fromkeys(plain, MASK) if self.masked else plain


def plain(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same rows without what only model objects need."""
    return rows.prefetch_related(None).select_related(None)


class Referer(serializers.Serializer[Any]):
    """The origin of a request."""

    protocol = serializers.CharField()
    ipAddress = serializers.CharField()
