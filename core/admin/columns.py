"""Columns of a list as a file: plain values, under names that do not change with the language."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import unescape
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Model
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from core.admin.importing import Column
from core.signs import NOTHING

Read = Callable[[Any], Any]
PLAIN = (str, int, float, Decimal, bool, list, dict, type(None))


def columns_of(admin: Any) -> dict[str, Read]:
    """Return the columns of a list by name: its number, what the list shows, what its admin adds, what an import takes.

    A column that is sorted by a field gives that field's value; only what no field tells is the text of the page.
    """
    sources = admin.export_columns
    shown = {_name(entry): _reader(admin, entry) for entry in admin.list_display}
    added = {name: _reader(admin, name, source) for name, source in sources.items() if source}
    taken = {column.name: _plainly(column.read) for column in _importable(admin) if not column.secret}
    every = {"id": lambda row: plain(row.pk)} | shown | added | taken
    return {name: read for name, read in every.items() if sources.get(name, name)}


def _importable(admin: Any) -> Sequence[Column]:
    return admin.importer.columns if admin.importer else ()


def _plainly(read: Read) -> Read:
    return lambda row: plain(read(row))


def _name(entry: str) -> str:
    return "name" if entry == "__str__" else entry.removeprefix("shown_").removesuffix("_column").removesuffix("_link")


def _reader(admin: Any, entry: str, source: str | Read = "") -> Read:
    """Make the function that reads one column of a row."""
    if callable(source):
        return _plainly(source)
    method = getattr(admin, entry, None)
    path = source or getattr(method, "admin_order_field", "") or (entry if _is_field(admin.model, entry) else "")
    if path:
        steps = str(path).lstrip("-").split("__")
        return lambda row: plain(follow(row, steps))
    if entry == "__str__":
        return str
    return lambda row: _text(method(row) if method else getattr(row, entry))


def _is_field(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def follow(row: Any, steps: list[str]) -> Any:
    """Return the value at the end of a path of fields; None where a row on the way is missing."""
    for step in steps:
        try:
            row = getattr(row, step, None)
        except ObjectDoesNotExist:
            return None
    return row


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: times as ISO texts in the zone of the installation, rows by their names.

    Decimals stay: JSON gets their digits as a text, CSV as a number.
    """
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, PLAIN) else str(value)


def _text(value: Any) -> str:
    """Return what a page shows of a value; only what is safe there is markup, any other text is meant as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    text = unescape(strip_tags(value)).strip() if isinstance(value, SafeString) else str(value)
    return "" if text == NOTHING else text
