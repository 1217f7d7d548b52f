from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from moreh_cloud.lib.api.parameters import Parameters, Text
from moreh_cloud.lib.api.times import At


class Use(serializers.Serializer[Any]):
    """How many devices a token held at once, and its device-time."""

    token = serializers.CharField()
    min = serializers.IntegerField()
    max = serializers.IntegerField()
    average = serializers.FloatField()
    device_seconds = serializers.FloatField()


class TotalUse(serializers.Serializer[Any]):
    """How many devices all tokens (or the one asked for) held at once; percentages of all devices."""

    token = serializers.CharField()
    min = serializers.IntegerField()
    max = serializers.IntegerField()
    average = serializers.FloatField()
    min_percentage = serializers.FloatField()
    max_percentage = serializers.FloatField()
    average_percentage = serializers.FloatField()
    total_devices = serializers.IntegerField()


@extend_schema_serializer(many=False)
class UsageSerializer(serializers.Serializer[Any]):
    """Usage over a range."""

    code = serializers.ChoiceField(["SUCCESS"])
    total_usage = TotalUse()
    usage_list = Use(many=True)


class UsageQuery(Parameters):
    starttime = At()
    endtime = At()
    token = Text(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a range that ends before it starts."""
        if attrs["endtime"] < attrs["starttime"]:
            raise serializers.ValidationError({"endtime": [_("The range ends before it starts.")]})
        return attrs
