"""Definitions of custom fields: created, changed and deleted, without losing a value."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.stored_text import StoredText
from core.texts import problem_of, require_row, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from inventory.choices import FieldKind, FieldNoun
from inventory.errors import FieldInUse
from inventory.kinds import LONGEST_VALUE, WrongValue, stored_text
from inventory.models import CustomField, FieldValue

WIRE_NAMES = {"in_lists": "inLists"}
MOST_CHOICES = 200
UNFIT = _("Objects whose value does not fit: %(number)s. One has %(value)s. Change these values first.")


@transaction.atomic
def create_custom_field(*, noun: str, name: str, actor: Actor, **fields: Any) -> CustomField:
    """Create a custom field of a noun; `fields` are columns, as for `update_custom_field`.

    Raises Duplicate, InvalidParameter.
    """
    field = CustomField(noun=noun, name=name, **fields)
    _save(field, {"noun", "name", *fields})
    details = values_of(field, ("noun", "name", "kind", *fields))
    record("CREATE_CUSTOM_FIELD", actor=actor, subject=_subject(field), **details)
    return field


@transaction.atomic
def update_custom_field(field: CustomField, *, actor: Actor, **fields: Any) -> CustomField:
    """Change label, description, kind, choices, required, in_lists or index.

    Noun and name stay: files and programs use them. Every stored value must fit the new kind and the new choices, and
    keep its text. Raises InvalidParameter, Conflict when it was deleted meanwhile.
    """
    hold(field, alone=True)
    for name, value in fields.items():
        setattr(field, name, value)
    _save(field, fields.keys())
    if {"kind", "choices"} & fields.keys():
        _require_fitting(field, "choices" if "choices" in fields else "kind")
    details = {"field": field.key, **values_of(field, fields)}
    record("UPDATE_CUSTOM_FIELD", actor=actor, subject=_subject(field), **details)
    return field


@transaction.atomic
def delete_custom_field(field: CustomField, *, actor: Actor, force: bool = False) -> None:
    """Mark a custom field as deleted; its values stay in the database, and nothing shows them.

    Raises FieldInUse while objects have values of it, unless `force`.
    """
    hold(field, alone=True)
    number = values_table(field.noun).rows().filter(field=field).count()
    if number and not force:
        raise FieldInUse(id=field.pk, values=number)
    if not CustomField.objects.live().filter(pk=field.pk).update(deleted_at=db_now()):
        raise NotFound(id=field.pk)
    record("DELETE_CUSTOM_FIELD", actor=actor, subject=_subject(field), field=field.key, values=number, force=force)


def values_table(noun: str) -> type[FieldValue]:
    """Return the table of the values of a noun."""
    return next(table for table in FieldValue.__subclasses__() if table.noun == noun)


def _save(field: CustomField, changed: Collection[str]) -> None:
    require_row(field, WIRE_NAMES, only=changed)
    if "choices" in changed:
        field.choices = _checked_choices(field.choices)
    if field.kind == FieldKind.CHOICE and not field.choices:
        raise InvalidParameter(_("A choice needs choices."), parameter="choices")
    if field.noun not in FieldNoun.values:
        raise InvalidParameter(parameter="noun")
    try:
        field.clean_fields(exclude={"choices"})
    except ValidationError as error:
        problems = {WIRE_NAMES.get(name, name): said for name, said in error.message_dict.items()}
        raise InvalidParameter(_("A value is not valid."), **problems) from error
    with unique(name=field.name):
        field.save()


def _checked_choices(choices: Any) -> list[str]:
    """Return the choices without blanks at their ends. Raises InvalidParameter."""
    texts = [str(one).strip() for one in choices]
    wrong = next((problem for text in texts if (problem := problem_of(text, LONGEST_VALUE))), None)
    if wrong:
        raise InvalidParameter(wrong, parameter="choices")
    if len(texts) > MOST_CHOICES or len(set(texts)) < len(texts) or "" in texts:
        raise InvalidParameter(_("Enter at most 200 different choices."), parameter="choices")
    return texts


def _require_fitting(field: CustomField, parameter: str) -> None:
    """Raise InvalidParameter unless every stored value has the same text under the definition as it is now."""
    values = values_table(field.noun).rows().filter(field=field).order_by().values_list("value", flat=True)
    unfit = [value for value in values.iterator() if not _fits(field, value)]
    if unfit:
        said = StoredText(UNFIT, {"number": len(unfit), "value": unfit[0]})
        problems: dict[str, Any] = {parameter: [said]}
        raise InvalidParameter(_("A value is not valid."), **problems)


def _fits(field: CustomField, value: str) -> bool:
    try:
        return stored_text(field.kind, value, field.choices) == value
    except WrongValue:
        return False


def _subject(field: CustomField) -> str:
    return f"customfield/{field.pk}"
