"""Kinds of custom fields: how a value is parsed, stored as the one text that means it, and read again."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from core.errors import Message
from core.numbers import whole
from core.texts import problem_of
from inventory.choices import FieldKind

LONGEST_VALUE = 512
MOST = 2**53 - 1  # beyond it JSON readers lose digits
DIGITS = 30
YES_NO = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
is_address = URLValidator(schemes=["http", "https"])


class WrongValue(ValueError):
    """A value does not fit the kind of its field; `problem` is the reason."""

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        super().__init__(str(problem))


def stored_text(kind: str, given: object, choices: Sequence[str] = ()) -> str:
    """Return the text that is stored for a value, "" for no value. Raises WrongValue."""
    if given is None or isinstance(given, dict | list):
        if given is None:
            return ""
        raise WrongValue(_("Enter one value."))
    if isinstance(given, bool):
        given = "true" if given else "false"
    text = str(given).strip()
    if problem := problem_of(text, LONGEST_VALUE):
        raise WrongValue(problem)
    if not text:
        return ""
    if kind == FieldKind.CHOICE:
        return _choice(text, choices)
    return PARSERS[kind](text)


def typed_value(kind: str, stored: str) -> Any:
    """Return a stored text as Python knows its value: int, Decimal, bool, date or str; None for no value."""
    if not stored:
        return None
    return READERS.get(kind, str)(stored)


def json_value(kind: str, stored: str) -> Any:
    """Return a stored text as JSON knows its value; a decimal stays a text, so that no digit is lost."""
    return stored if kind in (FieldKind.DECIMAL, FieldKind.DATE) else typed_value(kind, stored)


def _text(text: str) -> str:
    return text


def _integer(text: str) -> str:
    number = whole(text.removesuffix(".0"), -MOST, MOST)  # as spreadsheets write whole numbers
    if number is None:
        raise WrongValue(_("Enter a whole number."))
    return str(number)


def _decimal(text: str) -> str:
    try:
        number = Decimal(text) if text.isascii() and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not -DIGITS <= number.adjusted() < DIGITS or len(number.as_tuple().digits) > DIGITS:
        raise WrongValue(_("Enter a number with at most 30 digits."))
    return format(number.normalize(), "f") if number else "0"


def _yes_no(text: str) -> str:
    if text.lower() not in YES_NO:
        raise WrongValue(_("Enter true or false."))
    return YES_NO[text.lower()]


def _date(text: str) -> str:
    try:
        found = date.fromisoformat(text).isoformat()
    except ValueError:
        found = ""
    if found != text:  # 20261130 and 2026-W49-1 are ISO 8601, too
        raise WrongValue(_("Enter a date like 2026-11-30."))
    return found


def _choice(text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise WrongValue(_("It is none of the choices."))
    return text


def _url(text: str) -> str:
    try:
        is_address(text)
    except ValidationError:
        raise WrongValue(_("Enter a web address that begins with http:// or https://.")) from None
    return text


PARSERS: Mapping[str, Callable[[str], str]] = {
    FieldKind.TEXT: _text,
    FieldKind.INTEGER: _integer,
    FieldKind.DECIMAL: _decimal,
    FieldKind.BOOLEAN: _yes_no,
    FieldKind.DATE: _date,
    FieldKind.URL: _url,
}
READERS: Mapping[str, Callable[[str], Any]] = {
    FieldKind.INTEGER: int,
    FieldKind.DECIMAL: Decimal,
    FieldKind.BOOLEAN: lambda stored: stored == "true",
    FieldKind.DATE: date.fromisoformat,
}
