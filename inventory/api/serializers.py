"""The parameters and responses of REST."""

from typing import Any

from rest_framework import serializers

from core.api.parameters import Name, Parameters, Reference, Several, Text, Whole, Word
from inventory.choices import FieldKind, FieldNoun, TagColour
from inventory.queries import all_tags, live_fields


class TagSerializer(serializers.Serializer[Any]):
    """A tag of nodes."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    colour = serializers.CharField()
    description = serializers.CharField()


class NewTag(Parameters):
    """A new tag."""

    name = Name(max_length=64)
    colour = Word([("", ""), *((value, value) for value in TagColour.values if value)], required=False)
    description = Text(required=False, allow_blank=True)


class TagChange(NewTag):
    """A change of a tag."""

    id = Reference(all_tags, source="tag")
    name = Name(max_length=64, required=False)


class OneTag(Parameters):
    """The tag to delete."""

    id = Reference(all_tags, source="tag")


class CustomFieldSerializer(serializers.Serializer[Any]):
    """The definition of a custom field."""

    id = serializers.IntegerField()
    noun = serializers.ChoiceField(FieldNoun.choices)
    name = serializers.CharField()
    label: Any = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(FieldKind.choices)
    choices = serializers.ListField(child=serializers.CharField())
    required: Any = serializers.BooleanField()
    inLists = serializers.BooleanField()
    index = serializers.IntegerField()


class FieldRules(Parameters):
    """What can be changed of a custom field."""

    label: Any = Text(max_length=64, required=False, allow_blank=True)
    description = Text(required=False, allow_blank=True)
    kind = Word(FieldKind.choices, required=False)
    choices = Several(child=Text(), max_length=200, required=False)
    required: Any = serializers.BooleanField(required=False)
    inLists = serializers.BooleanField(required=False, source="in_lists")
    index = Whole(required=False, min_value=-(2**31))


class NewCustomField(FieldRules):
    """A new custom field."""

    noun = Word(FieldNoun.choices)
    name = Name(max_length=40)


class CustomFieldChange(FieldRules):
    """A change of a custom field."""

    id = Reference(live_fields, source="field")


class OneCustomField(Parameters):
    """The custom field to delete."""

    id = Reference(live_fields, source="field")
    force = serializers.BooleanField(default=False)
