"""The parameters and responses of REST."""

from enum import StrEnum
from typing import Any

from rest_framework import serializers

from core.api.parameters import Name, Parameters, Reference, Several, Text, Whole, Word
from core.api.times import At
from outbox.choices import AttemptResult, ChannelKind, ChannelStatus, DeliveryState, Language
from outbox.queries import deliveries, live_channels
from outbox.sending.targets import LONGEST
from outbox.services.channels import MOST_KEEP_HOURS
from outbox.services.recipients import MOST_RECIPIENTS


class ChannelSerializer(serializers.Serializer[Any]):
    """A channel; address and secret are never shown."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(ChannelKind.choices)
    url = serializers.CharField()
    recipients = serializers.ListField(child=serializers.CharField())
    language = serializers.ChoiceField(Language.choices)
    enabled = serializers.BooleanField()
    failures = serializers.IntegerField()
    failingSince = At(allow_null=True)
    nextAt = At(allow_null=True)
    state = serializers.ChoiceField(ChannelStatus.choices)
    lastResult = serializers.ChoiceField(AttemptResult.choices, allow_null=True)
    lastAttemptAt = At(allow_null=True)
    oldSecretUntil = At(allow_null=True)


class NewChannelSerializer(ChannelSerializer):
    """A new channel, with its secret, once, if the server made it."""

    secret = serializers.CharField()


class SecretSerializer(serializers.Serializer[Any]):
    """The new secret of a channel, once."""

    id = serializers.IntegerField()
    secret = serializers.CharField()


class ChannelRules(Parameters):
    """What can be set of a channel."""

    url = Text(max_length=LONGEST, required=False, allow_blank=True)
    secret = Text(max_length=128, required=False)
    recipients = Several(child=Text(max_length=254), max_length=MOST_RECIPIENTS, required=False)
    language = Word(Language.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class NewChannel(ChannelRules):
    """A new channel."""

    name = Name(max_length=128)
    kind = Word(ChannelKind.choices)


class ChannelChange(ChannelRules):
    """A change of a channel."""

    id = Reference(live_channels, source="channel")
    name = Name(max_length=128, required=False)


class OneChannel(Parameters):
    """A channel."""

    id = Reference(live_channels, source="channel")


class ChannelRemoval(OneChannel):
    """The channel to delete."""

    force = serializers.BooleanField(default=False)


class SecretRenewal(OneChannel):
    """A new secret; the old one stays valid for some hours."""

    keepHours = Whole(source="keep_hours", min_value=0, max_value=MOST_KEEP_HOURS, default=24)


class DeliverySerializer(serializers.Serializer[Any]):
    """What a channel got or is to get."""

    id = serializers.IntegerField()
    channel = serializers.IntegerField()
    kind = serializers.CharField()
    about = serializers.CharField()
    group = serializers.CharField()
    state = serializers.ChoiceField(DeliveryState.choices)
    message = serializers.CharField(allow_null=True)
    subject = serializers.CharField()
    tries = serializers.IntegerField()
    createdAt = At()
    notBefore = At()
    nextAt = At(allow_null=True)
    endedAt = At(allow_null=True)


class AttemptSerializer(serializers.Serializer[Any]):
    """An attempt to send a message."""

    id = serializers.IntegerField()
    channel = serializers.IntegerField()
    message = serializers.CharField()
    number = serializers.IntegerField()
    at = At()
    result = serializers.ChoiceField(AttemptResult.choices)
    statusCode = serializers.IntegerField(allow_null=True)
    latency = serializers.IntegerField()
    size = serializers.IntegerField()
    detail = serializers.CharField()


class DeliveryVerb(StrEnum):
    """What can be done with a delivery."""

    SEND_AGAIN = "SEND_AGAIN"


class DeliveryCommand(Parameters):
    """What is done with a delivery."""

    id = Reference(deliveries, source="delivery")
    command = Word([(verb, verb) for verb in DeliveryVerb])
