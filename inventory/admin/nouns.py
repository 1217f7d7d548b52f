"""What the admin of a noun with custom fields inherits: fields of forms, columns of lists and files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from core.admin import Table
from core.admin.formatting import LINK
from core.admin.importing import Column, Importer
from core.errors import InvalidParameter
from core.signs import NOTHING
from inventory.admin.form_fields import YES_NO, form_with
from inventory.choices import FieldKind
from inventory.kinds import WrongValue, stored_text, typed_value
from inventory.models import CustomField, FieldValue
from inventory.queries import PREFIX, asked_fields, fields_of

SECTION = _("Custom fields")


class WithCustomFields:
    """A ServiceAdmin of a noun whose objects have custom fields; its services take them as `custom_fields`."""

    field_values: type[FieldValue]

    @property
    def importer(self) -> Importer | None:
        """Return the import of the noun with a column for each custom field."""
        base: Importer | None = super().importer  # type: ignore[misc]
        return base and with_custom_columns(base, self.field_values, fields_of(self.field_values.noun))

    def fields_here(self, request: HttpRequest) -> Sequence[CustomField]:
        """Return the definitions of the noun, read once for each request."""
        found: Sequence[CustomField] | None = getattr(request, "custom_fields", None)
        if found is None:
            found = fields_of(self.field_values.noun)
            request.custom_fields = found  # type: ignore[attr-defined]
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with the values that the list shows; a file reads all values."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        if getattr(request, "whole_list", False) or not any(field.in_lists for field in self.fields_here(request)):
            return rows
        values = self.field_values.rows().filter(field__in_lists=True, field__deleted_at=None)
        return rows.prefetch_related(Prefetch("custom_values", values, to_attr="listed_values"))

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Return the columns, those of custom fields at the end."""
        columns = [_column(field) for field in self.fields_here(request) if field.in_lists]
        return (*super().get_list_display(request), *columns)  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets, and one of the custom fields for those who may change them."""
        fieldsets = self.own_fieldsets(request, obj)
        keys = [field.key for field in self._editable(request, obj)]
        return (*fieldsets, (SECTION, {"fields": keys})) if keys else fieldsets

    def own_fieldsets(self, request: HttpRequest, obj: Any) -> Any:
        """Return the fieldsets without custom fields."""
        return super().get_fieldsets(request, obj)  # type: ignore[misc]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form with the custom fields."""
        if fields := self._editable(request, obj):
            keys = {field.pk: field.key for field in fields}
            rows = obj.custom_values.all() if obj else ()
            stored = {keys[row.field_id]: row.value for row in rows if row.field_id in keys}
            kwargs.setdefault("form", form_with(self.form, fields, stored))  # type: ignore[attr-defined]
        return super().get_form(request, obj, change, **kwargs)  # type: ignore[misc]

    def row_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data of a form with the custom fields in one."""
        return gathered(data)

    def _editable(self, request: HttpRequest, obj: Any) -> Sequence[CustomField]:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)  # type: ignore[attr-defined]
        return self.fields_here(request) if may else ()


def gathered(data: dict[str, Any]) -> dict[str, Any]:
    """Return values with those of custom fields in one, `custom_fields`, by name."""
    keys = asked_fields(data)
    others = {name: value for name, value in data.items() if name not in keys}
    return {**others, "custom_fields": {key.removeprefix(PREFIX): data[key] for key in keys}} if keys else others


def with_custom_columns(base: Importer, values: type[FieldValue], fields: Sequence[CustomField]) -> Importer:
    """Return an importer that reads custom fields as well; new rows need the required ones."""
    columns = [Column(field.key, partial(_parsed, field), _reader(field)) for field in fields]
    prefetch = Prefetch("custom_values", values.rows().select_related("field"))
    return replace(
        base,
        columns=(*base.columns, *columns),
        create=lambda actor, row: base.create(actor, {"custom_fields": {}, **gathered(row)}),
        update=lambda actor, row, changes: base.update(actor, row, gathered(changes)),
        prefetch=(*base.prefetch, *([prefetch] if fields else [])),
    )


def custom_table(fields: Sequence[CustomField], row: Any) -> Table:
    """Return the custom fields of an object that have a value."""
    return Table(SECTION, (_("name"), _("value")), custom_values(fields, row))


def custom_values(fields: Sequence[CustomField], row: Any) -> list[tuple[str, Any]]:
    """Return the labels and the shown values of an object's custom fields, in one query if there are fields."""
    stored = {one.field_id: one.value for one in row.custom_values.all()} if fields else {}
    return [(str(field), shown(field, stored[field.pk])) for field in fields if field.pk in stored]


def shown(field: CustomField, stored: str) -> Any:
    """Return a stored value as pages show it."""
    if field.kind == FieldKind.BOOLEAN:
        return dict(YES_NO)[stored]
    if field.kind == FieldKind.URL:
        return format_html('<a class="{}" href="{}" rel="noopener noreferrer">{}</a>', LINK, stored, stored)
    return stored


def _column(field: CustomField) -> Callable[[Any], Any]:
    @admin.display(description=str(field), empty_value=NOTHING)
    def column(row: Any) -> Any:
        return next((shown(field, one.value) for one in row.listed_values if one.field_id == field.pk), None)

    column.__name__ = field.key
    return column


def _parsed(field: CustomField, cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    try:
        return typed_value(field.kind, stored_text(field.kind, cell, field.choices))
    except WrongValue as wrong:
        raise InvalidParameter(wrong.problem, said=[wrong.problem]) from None


def _reader(field: CustomField) -> Callable[[Any], Any]:
    def read(row: Any) -> Any:
        found = (one.value for one in row.custom_values.all() if one.field_id == field.pk)
        return typed_value(field.kind, next(found, ""))

    return read
