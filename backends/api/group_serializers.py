"""The parameters and responses of backend groups."""

from typing import Any

from django.db import models
from rest_framework import serializers

from backends.api.serializers import GroupOfBackend, NamedBackend
from backends.group_rules import GROUP_RULES
from backends.models import BackendGroup
from backends.queries import live_backend_groups, live_backends
from core.api.parameters import Name, Parameters, Reference, References, Text, Whole, Word
from inventory.api.shapes import CustomFields, CustomFieldsParameter
from tokens.api.serializers import PlainToken

Field = serializers.Field[Any, Any, Any, Any]
UNITS = {"Seconds": "seconds", "Hours": "hours", "Minutes": "minutes", "Percent": "%"}


def _result(name: str, column: Any) -> Field:
    """Return the field of a response for the column of a setting."""
    if column.choices:
        return serializers.ChoiceField(column.choices)
    if isinstance(column, models.BooleanField):
        return serializers.BooleanField()
    if isinstance(column, models.IntegerField):
        unit = next((text for word, text in UNITS.items() if name.endswith(word)), None)
        return serializers.IntegerField(help_text=unit)
    return serializers.CharField()


def _parameter(name: str, column: Any) -> Field:
    """Return the parameter for the column of a setting, with the limits of the column."""
    own: Any = column._validators  # without those that a database adds for its type
    given = {"required": False, **({} if column.name == name else {"source": column.name})}
    if column.choices:
        return Word(column.choices, **given)
    if isinstance(column, models.BooleanField):
        return serializers.BooleanField(**given)
    if isinstance(column, models.IntegerField):
        limits = {check.code: check.limit_value for check in own}
        return Whole(**given, **limits)
    return Text(**given, allow_blank=True)


def _columns() -> dict[str, Any]:
    return {name: BackendGroup._meta.get_field(column) for name, column in GROUP_RULES.items()}


class BackendGroupSerializer(GroupOfBackend):
    """A set of backends, and how its queue is served."""

    tokenlist = PlainToken(many=True)
    backends = NamedBackend(many=True)
    customFields = CustomFields()

    def get_fields(self) -> dict[str, Any]:
        """Add the settings."""
        return {**super().get_fields(), **{name: _result(name, column) for name, column in _columns().items()}}


class GroupSettings(Parameters):
    """How the queue of a group is served, and how its devices are checked and repaired."""

    customFields = CustomFieldsParameter()

    def get_fields(self) -> dict[str, Any]:
        """Add the settings."""
        return {**super().get_fields(), **{name: _parameter(name, column) for name, column in _columns().items()}}


class NewBackendGroup(GroupSettings):
    """A new backend group."""

    label: Any = Name(required=False, source="name")
    group = Name(required=False, help_text="Another name of `label`.")
    description = Text(required=False, allow_blank=True)
    combine = serializers.BooleanField(required=False)
    backends = References(live_backends, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Use `group` as the label if `label` is absent."""
        alias = attrs.pop("group", None)
        if not (name := attrs.get("name", alias)):
            raise serializers.ValidationError({"label": [self.fields["label"].error_messages["required"]]})
        return {**attrs, "name": name}


class BackendGroupChange(GroupSettings):
    """A change of a backend group."""

    id = Reference(live_backend_groups, source="group")
    label: Any = Name(required=False, source="name")
    description = Text(required=False, allow_blank=True)
    index = Whole(required=False, min_value=-(2**31))
    combine = serializers.BooleanField(required=False)
    backends = References(live_backends, required=False)


class OneBackendGroup(Parameters):
    """The backend group to delete."""

    id = Reference(live_backend_groups, source="group")
    force = serializers.BooleanField(default=False)


class BackendGrouping(Parameters):
    """A backend and a backend group."""

    group = Reference(live_backend_groups)
    backend = Reference(live_backends)
