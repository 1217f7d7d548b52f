from typing import Any

from rest_framework import serializers

from core.api.shapes import Referer
from core.api.times import At
from tokens.api.serializers import TokenSerializer


class EventSerializer(serializers.Serializer[Any]):
    """An event: what happened, and who did it."""

    id = serializers.IntegerField()
    token = TokenSerializer(allow_null=True)
    action = serializers.CharField()
    subject = serializers.CharField()
    request = serializers.CharField(help_text="JSON, secrets masked")
    response = serializers.CharField(help_text="JSON")
    eventTime = At()
    referer = Referer()
    actor = serializers.CharField()
