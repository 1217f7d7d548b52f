"""The shape of alerts on the wire, and the parameters of their verbs."""

from typing import Any

from rest_framework import serializers

from alerts.choices import Category, Level
from alerts.models import Alert
from core.api.parameters import Parameters, Reference, Text, Word
from core.api.times import At

COMMANDS = ["acknowledge"]


class AlertSubjectSerializer(serializers.Serializer[Any]):
    """What an alert is about."""

    kind = serializers.CharField()
    id = serializers.IntegerField()
    name = serializers.CharField()
    page = serializers.CharField()


class AlertGroupSerializer(serializers.Serializer[Any]):
    """The backend group of what an alert is about."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class AlertSilenceSerializer(serializers.Serializer[Any]):
    """The silence that holds an alert."""

    id = serializers.IntegerField()
    to = At()
    createdBy = serializers.CharField()
    comment = serializers.CharField()


class AlertSerializer(serializers.Serializer[Any]):
    """An alert."""

    id = serializers.IntegerField()
    category = serializers.ChoiceField(Category.choices)
    level = serializers.ChoiceField(Level.choices)
    code = serializers.CharField()
    params = serializers.DictField()
    text = serializers.CharField()
    subject = AlertSubjectSerializer()
    group = AlertGroupSerializer(allow_null=True)
    customer = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    times = serializers.IntegerField()
    raisedAt = At()
    lastAt = At(allow_null=True)
    clearedAt = At(allow_null=True)
    acknowledgedAt = At(allow_null=True)
    acknowledgedBy = serializers.CharField()
    note = serializers.CharField()
    silence = AlertSilenceSerializer(allow_null=True)


class AlertCommand(Parameters):
    """What to do about an alert: say that the caller looks after it, with a note."""

    id = Reference(Alert.objects.all, source="alert")
    command = Word(COMMANDS)
    note = Text(required=False, allow_blank=True, default="")
