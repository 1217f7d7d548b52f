from typing import Any

from rest_framework import serializers

from moreh_cloud.lib.api.parameters import Parameters, Text
from moreh_cloud.lib.api.times import At


class AccessSerializer(serializers.Serializer[Any]):
    """An access token, shown this one time."""

    access = serializers.CharField()
    expiresAt = At()


class Login(Parameters):
    id = Text(max_length=150, source="username")
    password = Text(max_length=1024, trim_whitespace=False)


class Nothing(Parameters):
    """No parameters."""
