"""Parameters and response of usage in REST."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from core.api.parameters import Parameters, Text, Word
from core.api.times import At
from usage.breakdown import GroupBy
from usage.calendar import Unit


class UseSerializer(serializers.Serializer[Any]):
    """How many devices a token held at once, and its device-time."""

    token = serializers.CharField()
    min = serializers.IntegerField()
    max = serializers.IntegerField()
    average = serializers.FloatField()
    device_seconds = serializers.FloatField()


class TotalUseSerializer(serializers.Serializer[Any]):
    """How many devices all tokens (or the one asked for) held at once; percentages of all devices."""

    token = serializers.CharField()
    min = serializers.IntegerField()
    max = serializers.IntegerField()
    average = serializers.FloatField()
    min_percentage = serializers.FloatField()
    max_percentage = serializers.FloatField()
    average_percentage = serializers.FloatField()
    total_devices = serializers.IntegerField()


class TimesUseSerializer(serializers.Serializer[Any]):
    """Device-time, in all and by phase."""

    average = serializers.FloatField()
    device_seconds = serializers.FloatField()
    preparing_seconds = serializers.FloatField()
    processing_seconds = serializers.FloatField()
    reserved_seconds = serializers.FloatField()


class GroupUseSerializer(TimesUseSerializer):
    """The device-time of one token, SDA model, device model, backend group or user group."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()


class IntervalUseSerializer(TimesUseSerializer):
    """The device-time of one hour, day or month; the first and the last may be cut by the range."""

    start = serializers.CharField()
    end = serializers.CharField()
    average_percentage = serializers.FloatField()
    groups = GroupUseSerializer(many=True, required=False)


class UnbilledTimesSerializer(serializers.Serializer[Any]):
    """How long jobs waited, and devices were cleaned."""

    waiting_seconds = serializers.FloatField()
    waiting_jobs = serializers.IntegerField()
    cleaning_seconds = serializers.FloatField()


class TokenUnbilledSerializer(UnbilledTimesSerializer):
    """How long the jobs of one token waited, and its devices were cleaned; never billed."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class UnbilledSerializer(UnbilledTimesSerializer):
    """How long jobs waited for devices, and devices were cleaned after them, within the range; never billed."""

    tokens = TokenUnbilledSerializer(many=True, required=False)


@extend_schema_serializer(many=False)
class UsageSerializer(serializers.Serializer[Any]):
    """Usage over a range."""

    code = serializers.ChoiceField(["SUCCESS"])
    total_usage = TotalUseSerializer()
    usage_list = UseSerializer(many=True)
    groups = GroupUseSerializer(many=True, required=False)
    intervals = IntervalUseSerializer(many=True, required=False)
    not_billed = UnbilledSerializer(required=False)


class UsageQuery(Parameters):
    """The range, and how to group its usage."""

    starttime = At()
    endtime = At()
    token = Text(required=False)
    group_by = Word([by.value for by in GroupBy], required=False)
    interval = Word([unit.value for unit in Unit], required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raise ValidationError for a range that ends before it starts."""
        if attrs["endtime"] < attrs["starttime"]:
            raise serializers.ValidationError({"endtime": [_("The range ends before it starts.")]})
        return attrs
