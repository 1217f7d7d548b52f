"""The shapes of repairs on the wire, and the parameters of their verbs."""

from enum import StrEnum
from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers

from backends.choices import MAX_DEVICES
from backends.queries import live_backends
from backends.services.verdicts import LONGEST_REASON
from core.api.filters import WholeFilter, WordFilter, WordsFilter
from core.api.parameters import Parameters, Reference, Several, Text, Whole, Word
from core.api.times import At
from remediation.choices import (
    OPEN,
    HandsReason,
    Origin,
    Outcome,
    RepairState,
    StepState,
    StepVerb,
    WaitReason,
)
from remediation.models import Repair
from remediation.queries import repairs

IS = [("true", "true"), ("false", "false")]


class Command(StrEnum):
    """What an operator does about a repair."""

    TAKE_OVER = "takeover"
    HAND_BACK = "handback"
    HANDS = "hands"
    VALIDATE = "validate"
    RETURN = "return"


class RepairTargetSerializer(serializers.Serializer[Any]):
    """A device that a repair is about; null: the node as a whole."""

    device = serializers.IntegerField(allow_null=True)
    origin = serializers.ChoiceField(Origin.choices)
    outcome = serializers.ChoiceField(Outcome.choices)
    addedAt = At()
    endedAt = At(allow_null=True)


class RepairStepSerializer(serializers.Serializer[Any]):
    """A step of a repair."""

    number = serializers.IntegerField()
    step = serializers.ChoiceField(StepVerb.choices)
    state = serializers.ChoiceField(StepState.choices)
    dryRun = serializers.BooleanField()
    devices = serializers.ListField(child=serializers.IntegerField())
    startedAt = At()
    endedAt = At(allow_null=True)
    code = serializers.CharField()
    evidence = serializers.CharField()


class RepairSerializer(serializers.Serializer[Any]):
    """The repair of a node."""

    id = serializers.IntegerField()
    backendId = serializers.CharField()
    backendName = serializers.CharField()
    state = serializers.ChoiceField(RepairState.choices)
    since = At()
    waitsFor = serializers.ChoiceField(WaitReason.choices)
    handsReason = serializers.ChoiceField(HandsReason.choices)
    evidence = serializers.CharField()
    operator = serializers.CharField()
    openedBy = serializers.CharField()
    openedAt = At()
    drainUntil = At(allow_null=True)
    endedAt = At(allow_null=True)
    targets = RepairTargetSerializer(many=True)
    steps = RepairStepSerializer(many=True)


class NewRepair(Parameters):
    """The node to be repaired, and which of its devices; without any the node as a whole."""

    id = Reference(live_backends, source="backend")
    devices = Several(child=Whole(max_value=MAX_DEVICES - 1), required=False, source="indexes", max_length=MAX_DEVICES)
    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True)


COMMANDS = [command.value for command in Command]


class RepairCommand(Parameters):
    """What to do about a repair; `return` needs a reason."""

    id = Reference(Repair.objects.all, source="repair")
    command = Word(COMMANDS)
    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True, default="")


class RepairFilter(filters.FilterSet):
    """The parameters of the list of repairs."""

    id = WholeFilter()
    backend = WholeFilter("backend")
    group = WholeFilter("backend__group")
    state = WordsFilter(choices=RepairState.choices)
    open = WordFilter(choices=IS, method="only")

    def only(self, rows: Any, _name: str, value: str) -> Any:
        """Keep the repairs that are open, or those that are over."""
        return rows.filter(state__in=OPEN) if value == "true" else rows.exclude(state__in=OPEN)


__all__ = ["Command", "NewRepair", "RepairCommand", "RepairFilter", "RepairSerializer", "repairs"]
