"""Reads of tags, definitions of custom fields, and values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from core.errors import InvalidParameter
from inventory.errors import NO_SUCH_FIELD
from inventory.kinds import WrongValue, json_value, stored_text
from inventory.models import CustomField, FieldValue, Tag

PREFIX = "cf_"


def live_fields() -> QuerySet[CustomField]:
    """Return the definitions that are not deleted."""
    return CustomField.objects.live()


def fields_of(noun: str) -> list[CustomField]:
    """Return the definitions of a noun, in their order."""
    return list(live_fields().filter(noun=noun).order_by("index", "pk"))


def all_tags() -> QuerySet[Tag]:
    """Return all tags, in the order of their names."""
    return Tag.objects.order_by("key")


def tag_key(name: str) -> str:
    """Return the text by which tags are found: the name in one case."""
    return name.strip().casefold()


def values_by_object(values: type[FieldValue], objects: Any) -> Mapping[int, dict[str, Any]]:
    """Return the values of custom fields as JSON knows them, by object and name, in one query.

    `values`: the table of the noun. `objects`: ids, or a subquery of them.
    """
    rows: QuerySet[Any] = values.rows().filter(target__in=objects, field__deleted_at__isnull=True)
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    ordered = rows.order_by("field__index", "field_id")
    for target, name, kind, value in ordered.values_list("target_id", "field__name", "field__kind", "value"):
        found[target][name] = json_value(kind, value)
    return found


def with_values(rows: QuerySet[Any], values: type[FieldValue], asked: Mapping[str, Any]) -> QuerySet[Any]:
    """Return the rows whose custom fields have exactly these values; "" finds those without a value.

    `asked` has names like cf_owner. Raises InvalidParameter for a field that does not exist or a value of another kind.
    """
    if not asked:
        return rows
    known = {field.key: field for field in fields_of(values.noun)}
    for name, given in asked.items():
        field = known.get(name)
        if field is None:
            raise InvalidParameter(NO_SUCH_FIELD, parameter=name)
        try:
            text = stored_text(field.kind, given, field.choices)
        except WrongValue as wrong:
            raise InvalidParameter(wrong.problem, parameter=name) from None
        theirs = values.rows().filter(field=field, target=OuterRef("pk"))
        if text:
            rows = rows.filter(pk__in=values.rows().filter(field=field, value=text).values("target"))
        else:
            rows = rows.filter(~Exists(theirs))
    return rows


def asked_fields(parameters: Iterable[str]) -> list[str]:
    """Return the parameters that are about custom fields."""
    return [name for name in parameters if name.startswith(PREFIX)]
