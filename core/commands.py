"""Shared base of management commands: arguments are parsed by the rules of every interface, errors are one line."""

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import base
from redis import RedisError

from core.errors import DomainError
from core.numbers import MAX_ID, whole
from core.outages import DATABASE_ERRORS, is_outage
from core.stored_text import with_details
from core.texts import has_half
from core.times import NEWEST, OLDEST, read_time

UNDEFINED = ("42P01", "42703")  # PostgreSQL: a table, a column
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class BaseCommand(base.BaseCommand):
    """A command that says in one line what is wrong with its arguments."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> base.CommandParser:
        """Return a parser whose errors come without the usage, which `--help` shows."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.print_usage = _nothing  # type: ignore[method-assign]
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Carry the command out. Raises CommandError for what is not a fault of ours, and when it is interrupted."""
        try:
            return super().execute(*args, **options)
        except KeyboardInterrupt as interruption:
            raise base.CommandError("Interrupted.", returncode=130) from interruption
        except Exception as error:
            if said := in_words(error):
                raise base.CommandError(said) from error
            raise


def in_words(error: Exception) -> str:
    """Return what an operator can mend: the database, the broker, a file, what was asked for; "" for other errors."""
    if isinstance(error, DATABASE_ERRORS):
        return _about_database(error) if _lacks_tables(error) or is_outage(error) else ""
    if isinstance(error, RedisError):
        return f"The broker cannot be used ({_first_line(error)}). Look at REDIS_URL."
    if isinstance(error, DomainError):
        return with_details(str(error), error.details)
    return _first_line(error) if isinstance(error, OSError) else ""


def read_secret(read: Callable[[], str]) -> str:
    """Return what was typed or piped. Raises CommandError for the end of the input and what is not UTF-8."""
    try:
        return read()
    except EOFError as error:
        raise base.CommandError("The password is missing.") from error
    except UnicodeDecodeError as error:
        raise base.CommandError("The password is not UTF-8.") from error


def _lacks_tables(error: Exception) -> bool:
    undefined = getattr(error.__cause__, "sqlstate", None) in UNDEFINED
    return undefined or str(error).startswith(("no such table", "no such column"))


def _about_database(error: Exception) -> str:
    said = _first_line(error)
    setting = "DATABASE_URL" if os.environ.get("DATABASE_URL") else "MOREH_DATA_DIR"
    remedy = f"Look at {setting}, or run `manage.py migrate`" if _lacks_tables(error) else f"Look at {setting}"
    return f"The database cannot be used ({said}). {remedy}."


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def moment(text: str) -> datetime:
    """Read a time, local or with an offset. Raises ArgumentTypeError."""
    try:
        return read_time(text)
    except ValidationError as error:
        raise ArgumentTypeError(" ".join(error.messages)) from None


def month(text: str) -> date:
    """Read a month as 2026-01. Raises ArgumentTypeError."""
    found = MONTH.fullmatch(text)
    if found is None or not OLDEST.year <= int(found[1]) < NEWEST.year:
        raise ArgumentTypeError(f"{text!r} is not a month like 2026-01, of the years {OLDEST.year} to {NEWEST.year}")
    return date(int(found[1]), int(found[2]), 1)


def number(least: int = 1, most: int = MAX_ID) -> Callable[[str], int]:
    """Make a reader of a whole number, which raises ArgumentTypeError."""

    def read(text: str) -> int:
        found = whole(text, least, most)
        if found is None:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return found

    return read


def word(text: str) -> str:
    """Read a text that can be stored. Raises ArgumentTypeError."""
    if has_half(text):
        raise ArgumentTypeError("it is not UTF-8")
    return text


def _nothing(file: Any = None) -> None:
    """Print nothing."""
