"""What a page showed of a row, so that saving it neither undoes nor overlooks what somebody else changed meanwhile.

A form carries a digest of each value that it showed, and the ids of a set.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from core.signs import NOTHING

SHOWN = "shown"  # the hidden field of a form
SALT = "core.admin.shown"
Sets = (forms.MultipleChoiceField, forms.ModelMultipleChoiceField)


def carried(bound: forms.BoundField) -> str | list[str]:
    """Return what a form carries of a field: the ids of a set, or the digest of a value."""
    if isinstance(bound.field, Sets):
        return ids(bound.field.prepare_value(bound.initial))
    return digest(bound.initial)


def digest(value: Any) -> str:
    """Return the digest of a value; a value as it is stored, cleaned or sent has the same one."""
    return salted_hmac(SALT, json.dumps(_plain(value)), algorithm="sha256").hexdigest()[:32]


def digest_sent(bound: forms.BoundField, sent: Any) -> str:
    """Return the digest of what was sent for a field."""
    try:
        return digest(bound.field.clean(sent))
    except forms.ValidationError:  # it can still be what was shown: a row that was deleted meanwhile
        return digest(sent)


def ids(values: Any) -> list[str]:
    """Return the ids of a set in a stable order."""
    return sorted({str(value) for value in values or ()})


def merged(shown: Any, sent: Any, present: Any) -> list[str]:
    """Return the ids of a set as it is now, with what was added to and without what was taken from the one shown."""
    before, after = set(ids(shown if isinstance(shown, list) else ())), set(ids(sent))
    return ids((set(ids(present)) | (after - before)) - (before - after))


def read_shown(text: str) -> dict[str, Any]:
    """Return what a form carries; a text that is none of ours shows nothing."""
    try:
        shown = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return shown if isinstance(shown, dict) else {}


def text_of(bound: forms.BoundField) -> str:
    """Return the present value of a field, for people."""
    field, value = bound.field, bound.initial
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if value in (None, "", {}):
        return NOTHING
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
        row = field.queryset.model._base_manager.filter(pk=field.prepare_value(value)).first()
        return str(field.label_from_instance(row)) if row else NOTHING
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in sorted(value.items()))
    return str(_plain(value))


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Model):
        return str(value.pk)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, Mapping):
        return sorted([str(name), str(one)] for name, one in value.items())
    if isinstance(value, list | tuple | set | QuerySet):
        return [_plain(one) for one in value]
    return str(value).replace("\r\n", "\n").strip()  # as fields strip it; an older row may have blanks
