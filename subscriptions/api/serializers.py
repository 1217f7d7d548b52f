"""The parameters and responses of REST."""

from typing import Any

from rest_framework import serializers

from core.api.parameters import Name, Parameters, Reference, Several, Text, Word
from core.api.times import At
from subscriptions.choices import EventKind
from subscriptions.queries import live_subscriptions


class SubscriptionSerializer(serializers.Serializer[Any]):
    """A subscription; its address and secret are never shown."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    channel = serializers.IntegerField()
    url = serializers.CharField()
    enabled = serializers.BooleanField()
    failingSince = At(allow_null=True)
    since = serializers.IntegerField()


class NewSubscriptionSerializer(SubscriptionSerializer):
    """A new subscription, with its secret, once, if the server made it."""

    secret = serializers.CharField()


class SubscriptionChange(Parameters):
    """A change of a subscription."""

    id = Reference(live_subscriptions, source="row")
    name = Name(max_length=128, required=False)
    kinds = Several(child=Word(EventKind.choices), max_length=16, required=False)
    url = Text(max_length=2048, required=False)
    secret = Text(max_length=128, required=False)
    enabled = serializers.BooleanField(required=False)


class NewSubscription(Parameters):
    """A new subscription."""

    name = Name(max_length=128)
    kinds = Several(child=Word(EventKind.choices), max_length=16)
    url = Text(max_length=2048)
    secret = Text(max_length=128, required=False)


class OneSubscription(Parameters):
    """The subscription to delete."""

    id = Reference(live_subscriptions, source="row")
