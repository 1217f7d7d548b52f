from typing import Any

from rest_framework import serializers

from moreh_cloud.lib.api.times import At
from scheduler.api.serializers import Referer
from tokens.api.serializers import TokenSerializer


class EventSerializer(serializers.Serializer[Any]):
    """What happened, by whom."""

    id = serializers.IntegerField()
    token = TokenSerializer(allow_null=True)
    action = serializers.CharField()
    subject = serializers.CharField()
    request = serializers.CharField(help_text="JSON, secrets masked")
    response = serializers.CharField(help_text="JSON")
    eventTime = At()
    referer = Referer()
    actor = serializers.CharField()
