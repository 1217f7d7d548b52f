"""Custom fields as fields of a form. They hold texts; the services parse them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from inventory.choices import FieldKind
from inventory.kinds import LONGEST_VALUE
from inventory.models import CustomField

YES_NO = (("true", _("Yes")), ("false", _("No")))


def form_with(form: type[Any], fields: Sequence[CustomField], stored: Mapping[str, str]) -> type[Any]:
    """Return a form class with the custom fields besides its own; `stored` are the texts of the row, by key."""
    declared = {field.key: _form_field(field, stored.get(field.key, "")) for field in fields}
    return type(form.__name__, (form,), declared)


def _form_field(field: CustomField, stored: str) -> forms.Field:
    common: dict[str, Any] = {
        "label": capfirst(str(field)),
        "required": field.required,
        "help_text": field.description,
        "initial": stored,
    }
    options = _options(field, stored)
    if options is not None:
        return forms.ChoiceField(choices=[("", "–"), *options], widget=UnfoldAdminSelectWidget, **common)  # noqa: RUF001
    return forms.CharField(max_length=LONGEST_VALUE, widget=_widget(field.kind), **common)


def _options(field: CustomField, stored: str) -> Sequence[tuple[str, Any]] | None:
    if field.kind == FieldKind.BOOLEAN:
        return YES_NO
    if field.kind != FieldKind.CHOICE:
        return None
    return [(choice, choice) for choice in dict.fromkeys([*field.choices, *([stored] if stored else [])])]


def _widget(kind: str) -> forms.Widget:
    if kind == FieldKind.INTEGER:
        return UnfoldAdminIntegerFieldWidget()
    return UnfoldAdminTextInputWidget(attrs={"type": "date"} if kind == FieldKind.DATE else {})
