from typing import Any

from rest_framework import serializers

from core.api.parameters import Parameters, Text
from core.api.times import At


class AccessSerializer(serializers.Serializer[Any]):
    """An access token, shown this one time."""

    access = serializers.CharField()
    expiresAt = At()


class OpenAccessSerializer(serializers.Serializer[Any]):
    """An access token of one's own, without its value."""

    id = serializers.UUIDField()
    createdAt = At()
    expiresAt = At()
    lastUsedAt = At(allow_null=True, help_text="To the minute.")
    current = serializers.BooleanField(help_text="Whether it is the one that asks.")


class Which(Parameters):
    """Parameters that name an access token."""

    id = serializers.UUIDField(help_text="One of one's own access tokens.")


class Login(Parameters):
    """Parameters of a log-in."""

    id = Text(max_length=150, source="username")
    password = Text(max_length=1024, trim_whitespace=False)
    code = Text(
        required=False,
        max_length=40,
        help_text="Where the account has a second factor: the code of its app, or a recovery code. Each works once.",
    )


class Nothing(Parameters):
    """No parameters."""
