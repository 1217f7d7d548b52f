from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from core.api.parameters import Parameters, Several, Word
from moreh_cloud.check.finding import Status
from moreh_cloud.check.probes import PROBES


class PartSerializer(serializers.Serializer[Any]):
    """State of a part; detail and counts only for staff."""

    status = serializers.ChoiceField([status.value for status in Status])
    latency = serializers.FloatField(help_text="ms")
    detail = serializers.CharField(required=False)


class IpmiPartSerializer(PartSerializer):
    """State of the BMCs: how many are on, off and unreachable."""

    on = serializers.IntegerField(required=False)
    off = serializers.IntegerField(required=False)
    unreachable = serializers.IntegerField(required=False)


class ProcessPartSerializer(PartSerializer):
    """Whether a kind of process is alive: how long ago one of it gave a sign."""

    age = serializers.FloatField(required=False, help_text="s")


class OutboxPartSerializer(ProcessPartSerializer):
    """Whether messages leave: the age of the worker, the channels that are on, and those that fail."""

    channels = serializers.IntegerField(required=False)
    failing = serializers.IntegerField(required=False)


class TickPartSerializer(PartSerializer):
    """Whether periodic work is done: how long ago each kind of it was last done, by whomever."""

    tickAge = serializers.FloatField(required=False, help_text="s")
    sweepAge = serializers.FloatField(required=False, help_text="s")
    reconcileAge = serializers.FloatField(required=False, help_text="s")
    rollUpAge = serializers.FloatField(required=False, help_text="s")


@extend_schema_serializer(many=False)
class CheckSerializer(serializers.Serializer[Any]):
    """States of the requested parts."""

    api = PartSerializer(required=False)
    db = PartSerializer(required=False)
    grpc = PartSerializer(required=False)
    ipmi = IpmiPartSerializer(required=False)
    broker = PartSerializer(required=False)
    worker = ProcessPartSerializer(required=False)
    powerWorker = ProcessPartSerializer(required=False)
    outbox = OutboxPartSerializer(required=False)
    beat = ProcessPartSerializer(required=False)
    tick = TickPartSerializer(required=False)


class CheckQuery(Parameters):
    """Parameters of /api/check."""

    type = Several(child=Word(list(PROBES)), required=False)
