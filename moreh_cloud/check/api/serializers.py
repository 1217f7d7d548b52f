from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from moreh_cloud.check.parts import PARTS, Status
from moreh_cloud.lib.api.parameters import Parameters, Several, Word


class PartSerializer(serializers.Serializer[Any]):
    """How a part is; detail and counts only for staff."""

    status = serializers.ChoiceField([status.value for status in Status])
    latency = serializers.FloatField(help_text="ms")
    detail = serializers.CharField(required=False)


class IpmiPartSerializer(PartSerializer):
    """How the BMCs are: how many are on, off, and do not answer."""

    on = serializers.IntegerField(required=False)
    off = serializers.IntegerField(required=False)
    unreachable = serializers.IntegerField(required=False)


@extend_schema_serializer(many=False)
class CheckSerializer(serializers.Serializer[Any]):
    """How the parts that were asked for are."""

    api = PartSerializer(required=False)
    db = PartSerializer(required=False)
    grpc = PartSerializer(required=False)
    ipmi = IpmiPartSerializer(required=False)
    broker = PartSerializer(required=False)


class CheckQuery(Parameters):
    type = Several(child=Word(list(PARTS)), required=False)
