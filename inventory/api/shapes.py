"""Custom fields and tags on the wire: what the objects of every noun share."""

import json
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.parameters import Name, Several
from inventory.models import FieldValue
from inventory.queries import asked_fields, with_values
from inventory.services.tags import MOST_TAGS

ANY_VALUE: dict[str, Any] = {"type": "object", "additionalProperties": {}}
MOST_FIELDS = 200


@extend_schema_field(ANY_VALUE)
class CustomFields(serializers.DictField):
    """Custom fields by name, as an object or as the JSON of one; null empties a field. Services parse the values."""

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except (ValueError, RecursionError):
                self.fail("not_a_dict", input_type="str")
        if isinstance(data, dict) and len(data) > MOST_FIELDS:
            self.fail("not_a_dict", input_type="dict")
        return super().to_internal_value(data)


class CustomFieldsParameter(CustomFields):
    """The custom fields that are set or changed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "source": "custom_fields", **kwargs})


class TagsParameter(Several):
    """The names of exactly the tags that an object has."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"child": Name(max_length=64), "max_length": MOST_TAGS, "required": False, **kwargs})


class WithFieldFilters(filters.FilterSet):
    """The parameters of a list that can also be filtered by custom fields: cf_ and the name of one."""

    field_values: ClassVar[type[FieldValue]]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that pass all filters. Raises InvalidParameter for a custom field that does not exist."""
        rows = super().filter_queryset(queryset)
        return with_values(rows, self.field_values, {name: self.data[name] for name in asked_fields(self.data)})
