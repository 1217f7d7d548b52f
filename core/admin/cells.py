"""Cells of an imported file: how a text, a number, a flag, a list or the name of a row is read."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import CharField, IntegerField, Model, TextField
from django.utils.translation import gettext_lazy as _

from core.errors import InvalidParameter
from core.numbers import MAX_ID, whole
from core.stored_text import StoredText
from core.strict_json import read_json
from core.texts import is_too_deep, unwritable

MOST_NAMES = 20_000  # in a cell; SQLite takes no statement of more than 250,000 values
ABSENT = object()
NO_LIMIT = "none"
FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": ABSENT, "none": ABSENT}
Parse = Callable[[Any], Any]


def by_field(model: type[Model], name: str) -> Parse:
    """Make a reader that judges as the field of a model does; an empty cell empties a text, else it says nothing."""
    judge: Any = model._meta.get_field(name)
    is_text = isinstance(judge, CharField | TextField) and not judge.choices

    def parse(cell: Any) -> Any:
        if cell in ("", None):
            return "" if is_text and judge.blank else ABSENT
        if is_text:
            cell = _text(cell)
        if isinstance(cell, dict | list):
            raise ValueError
        if isinstance(judge, IntegerField):
            cell = number(cell)
        try:
            if is_text:
                judge.clean(cell.strip(), None)
                return cell  # as it is, for an older row with blanks in its name; services strip it
            return judge.clean(cell, None)
        except ValidationError as error:
            raise InvalidParameter(
                said=[StoredText(one.message, one.params or {}) for one in error.error_list]
            ) from None

    return parse


def key_text(cell: Any) -> Any:
    """Read a name; an empty cell says nothing."""
    return ABSENT if cell is None or not _text(cell).strip() else str(cell)


def hidden_text(cell: Any) -> Any:
    """Read a secret; an empty cell leaves what is stored."""
    return ABSENT if cell in ("", None) else _text(cell)


def _text(cell: Any) -> str:
    """Read a text; JSON has numbers as well, and 1e999 is read as an infinite one."""
    if isinstance(cell, bool | dict | list) or unwritable(cell):
        raise ValueError
    return str(cell)


def number(cell: Any, most: int = 2**31 - 1) -> Any:
    """Read a whole number; an empty cell says nothing."""
    if cell in ("", None):
        return ABSENT
    if isinstance(cell, float) and cell.is_integer():  # as spreadsheets write whole numbers
        cell = int(cell)
    found = None if isinstance(cell, bool) else whole(str(cell).strip(), -most - 1, most)
    if found is None:
        raise ValueError
    return found


def number_or_none(model: type[Model], name: str) -> Parse:
    """Make a reader of a limit that may be absent: "none" takes it away; an empty cell says nothing."""
    read = by_field(model, name)
    return lambda cell: None if str(cell).strip().lower() == NO_LIMIT and cell is not None else read(cell)


def key_number(cell: Any) -> Any:
    """Read the number of a row; an empty cell says nothing."""
    return number(cell, MAX_ID)


def flag(cell: Any) -> Any:
    """Read yes or no, as our files and spreadsheets write it; an empty cell says nothing."""
    text = str(cell).strip().lower()
    if text not in FLAGS:
        raise ValueError
    return FLAGS[text]


def names_of(cell: Any) -> list[str]:
    """Read a list: JSON, or parts between semicolons."""
    if isinstance(cell, str):
        cell = read_json(cell) if cell.strip().startswith("[") else [part.strip() for part in cell.split(";")]
    if not isinstance(cell, list) or len(cell) > MOST_NAMES or unwritable(cell):
        raise ValueError
    return [str(part) for part in cell if str(part).strip()]


def document(cell: Any) -> Any:
    """Read a JSON object; an empty cell says nothing."""
    if cell in ("", None):
        return ABSENT
    value = read_json(cell) if isinstance(cell, str) else cell
    if not isinstance(value, dict) or is_too_deep(value):
        raise ValueError
    return value


def found_by_name(rows: Callable[[], Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Make a finder of the row that has the name in a line; None where there is none."""
    return lambda values: _row_called(values.get("name", ""), rows)


def _row_called(name: str, rows: Callable[[], Any], by: str = "name") -> Any:
    """Return the row of this name as it is written, as an older one may have blanks at its ends, else without them."""
    found = {str(getattr(row, by)): row for row in rows().filter(**{f"{by}__in": {name, name.strip()}})}
    return found.get(name) or found.get(name.strip())


def row_named(rows: Callable[[], Any], by: str = "name") -> Parse:
    """Make a reader of the name of a row of another table; an empty cell says nothing."""

    def parse(cell: Any) -> Any:
        name = key_text(cell)
        if name is ABSENT:
            return ABSENT
        if row := _row_called(name, rows, by):
            return row
        raise InvalidParameter(_("There is no such object."), name=str(name))

    return parse


def rows_named(rows: Callable[[], Any], by: str = "name") -> Parse:
    """Make a reader of a list of rows of another table."""

    def parse(cell: Any) -> list[Any]:
        wanted = names_of(cell)
        names = {*wanted, *(name.strip() for name in wanted)}
        sought = {number for name in names if (number := whole(name))} if by == "id" else names
        found = {str(getattr(row, by)): row for row in rows().filter(**{f"{by}__in": sought})}
        chosen = [found.get(name) or found.get(name.strip()) for name in wanted]
        if missing := [name for name, row in zip(wanted, chosen, strict=True) if row is None]:
            raise InvalidParameter(_("There is no such object."), name=", ".join(missing))
        return list(dict.fromkeys(chosen))

    return parse
