"""The rule of texts from outside, the same for every interface (docs/adr/0017-texts.md).

A text is one line unless its column says otherwise: no control character, no line break, no half of a surrogate pair.
It is stored without white space at its ends, so that two texts that look alike are one.
What is set by somebody who can be told is refused; what a machine reports beside its work is cleaned and cut.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models import CharField, Field, IntegerField, Model
from django.utils.translation import gettext_lazy as _

from core.errors import InvalidParameter, Message

LONGEST = 512  # characters of a text that has no column of its own
DEEPEST = 32  # levels of lists and objects in a JSON value; nothing that we take has more than three
HALVES = "\ud800-\udfff"  # of surrogate pairs: no encoding can write one
CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff"  # XML, and so a workbook, cannot hold most of them
BREAKS = "\t\n\r\u2028\u2029"
REPLACEMENT = "\ufffd"
_half, _control = re.compile(f"[{HALVES}]"), re.compile(f"[{CONTROLS}]")
_break, _unseen = re.compile(f"[{BREAKS}]"), re.compile(f"[{HALVES}{CONTROLS}]")


def problem_of(text: str, longest: int | None = LONGEST, *, lines: bool = False) -> Message | None:
    """Return what is wrong with a text, None if nothing is; `lines` allows line breaks and tabs."""
    if _half.search(text):
        return _("A text holds half of a character.")
    if _control.search(text):
        return _("Control characters are not allowed.")
    if not lines and _break.search(text):
        return _("Line breaks and tabs are not allowed.")
    if longest is not None and len(text) > longest:
        return _("It is too long.")
    return None


def problem_in(value: object) -> Message | None:
    """Return what is wrong with a JSON value: its depth, or a text in it, names of objects included."""
    return _("It is nested too deeply.") if is_too_deep(value) else _problem_of_texts(value)


def _problem_of_texts(value: object) -> Message | None:
    if isinstance(value, str):
        return problem_of(value, None, lines=True)
    if isinstance(value, Mapping):
        return _problem_of_texts([*value, *value.values()])
    if isinstance(value, list | tuple):
        return next((problem for one in value if (problem := _problem_of_texts(one))), None)
    return None


def is_too_deep(value: object, levels: int = DEEPEST) -> bool:
    """Whether a JSON value has more than so many levels; a deeper one would exhaust the stack of whoever walks it."""
    items = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple):
        return not levels or any(is_too_deep(item, levels - 1) for item in items)  # type: ignore[attr-defined]
    return False


def unwritable(value: object) -> Message | None:
    """Return why a JSON value cannot be read further or written again, None if it can."""
    if is_too_deep(value):
        return _("It is nested too deeply.")
    if has_half(value):
        return _("A text holds half of a character.")
    # JSON knows no infinite number, but 1e999 is read as one.
    infinite = any(isinstance(leaf, float) and not isfinite(leaf) for leaf in _leaves(value))
    return _("A number is too large.") if infinite else None


def has_half(value: object) -> bool:
    """Whether a JSON value holds half of a character anywhere."""
    return any(isinstance(leaf, str) and _half.search(leaf) for leaf in _leaves(value))


def _leaves(value: object) -> Iterator[object]:
    """Return the texts and numbers in a JSON value, names of objects included."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def require_texts(longest: int | None = LONGEST, **texts: str) -> None:
    """Raise InvalidParameter unless each text, given by its parameter's name, is one good line."""
    problems: dict[str, Any] = {name: [wrong] for name, text in texts.items() if (wrong := problem_of(text, longest))}
    if problems:
        raise InvalidParameter(_("A value is not valid."), **problems)


def require_row(row: Model, names: Mapping[str, str] | None = None, *, only: Collection[str] | None = None) -> None:
    """Strip the texts of a row, or those of the columns `only`.

    Raises InvalidParameter unless they are good lines that fit, and whole numbers are within the limits of their
    columns. `names` says what columns are called outside.
    """
    called, problems = names or {}, {}
    for column in row._meta.concrete_fields:
        if column.choices or (only is not None and column.name not in only):
            continue
        wrong = _stripped(row, column) if isinstance(column, CharField) else _problem_of_number(row, column)
        if wrong:
            problems[called.get(column.name, column.name)] = [wrong]
    if problems:
        raise InvalidParameter(_("A value is not valid."), **problems)


def _stripped(row: Model, column: "CharField[str, str]") -> Message | None:
    """Strip a text of a row and return what is wrong with it."""
    text = str(getattr(row, column.attname)).strip()
    setattr(row, column.attname, text)
    empty = not column.blank and column.editable and not text
    return _("It is needed.") if empty else problem_of(text, column.max_length)


def _problem_of_number(row: Model, column: "Field[Any, Any]") -> Message | None:
    """Return why a column cannot hold the whole number that a row has; None if it can, or holds none.

    The limits of PostgreSQL hold on every database: SQLite stores any number, of which times are then computed.
    """
    value = getattr(row, column.attname)
    if not isinstance(column, IntegerField) or not isinstance(value, int):
        return None
    least, most = BaseDatabaseOperations.integer_field_ranges[column.get_internal_type()]
    checks: list[Callable[[int], None]] = [MinValueValidator(least), MaxValueValidator(most), *column.validators]
    try:
        for check in checks:
            check(value)
    except ValidationError as error:
        return str(error.messages[0])
    return None


def values_of(row: Model, columns: Iterable[str]) -> dict[str, Any]:
    """Return some values of a row by column: texts as require_row has left them."""
    return {name: getattr(row, name) for name in columns}


def cleaned(text: str, longest: int = LONGEST) -> str:
    """Return a text as one stripped line of at most `longest` characters, with U+FFFD for what no line may hold."""
    return _unseen.sub(REPLACEMENT, _break.sub(" ", text.strip()[:longest].rstrip()))


def legible(text: str) -> str:
    """Return a text that any page, file and log can hold, whatever it was."""
    return _unseen.sub(REPLACEMENT, text)


def whole(value: Any) -> Any:
    """Return a JSON value with U+FFFD for every half of a character, names of objects included."""
    if isinstance(value, str):
        return _half.sub(REPLACEMENT, value)
    if isinstance(value, Mapping):
        return {whole(name): whole(item) for name, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value
