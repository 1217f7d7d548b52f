"""The values of custom fields of one object."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from core.errors import InvalidParameter
from core.locks import keep
from inventory.errors import NO_SUCH_FIELD
from inventory.kinds import WrongValue, json_value, stored_text
from inventory.models import CustomField, FieldValue
from inventory.queries import PREFIX, fields_of


def set_custom_values(
    values: type[FieldValue], target: Model, given: Mapping[str, Any], *, complete: bool = False
) -> dict[str, Any]:
    """Set custom fields of an object in the caller's transaction; return them by name, as an event tells them.

    `given` has names without cf_; None or "" empties a field. `complete`: required fields that are missing are refused,
    as for a new object. Raises InvalidParameter, whose details name every field that is wrong, as cf_ and its name.
    """
    if not given and not complete:
        return {}
    fields = _locked_fields(values.noun)
    texts = _checked(fields, given, complete=complete)
    stored = {fields[name].pk: text for name, text in texts.items()}
    emptied = [pk for pk, text in stored.items() if not text]
    if emptied:
        values.rows().filter(target=target, field__in=emptied).delete()
    made: Any = values
    rows = [made(field_id=pk, value=text, target_id=target.pk) for pk, text in stored.items() if text]
    values.rows().bulk_create(rows, update_conflicts=True, unique_fields=["field", "target"], update_fields=["value"])
    return {name: json_value(fields[name].kind, text) for name, text in texts.items()}


def _locked_fields(noun: str) -> Mapping[str, CustomField]:
    """Return the definitions by name; nobody changes them until the transaction ends."""
    keep(CustomField, [field.pk for field in fields_of(noun)])
    return {field.name: field for field in fields_of(noun)}


def _checked(fields: Mapping[str, CustomField], given: Mapping[str, Any], *, complete: bool) -> dict[str, str]:
    """Return the texts to store, by name. Raises InvalidParameter."""
    texts: dict[str, str] = {}
    problems: dict[str, Any] = {}
    for name, value in given.items():
        field = fields.get(name)
        try:
            if field is None:
                raise WrongValue(NO_SUCH_FIELD)
            texts[name] = stored_text(field.kind, value, field.choices)
            if field.required and not texts[name]:
                raise WrongValue(_("It is needed."))
        except WrongValue as wrong:
            problems[PREFIX + name] = [wrong.problem]
    missing = [field for name, field in fields.items() if complete and field.required and name not in given]
    problems |= {field.key: [_("It is needed.")] for field in missing}
    if problems:
        raise InvalidParameter(_("A value is not valid."), **problems)
    return texts
