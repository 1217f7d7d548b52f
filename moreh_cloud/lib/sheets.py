"""Lines of CSV that a spreadsheet reads well and that do nothing in it.

UTF-8 with a byte order mark, without which spreadsheets read Korean as noise. Texts that a spreadsheet would take for a
formula get an apostrophe in front.
"""

import csv
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

MARK = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - the wide ones count as well


class _Echo:
    """Gives back what is written to it, so that a line is made without a file."""

    def write(self, text: str) -> str:
        """Give the text."""
        return text


_write: Callable[[Iterable[Any]], str] = csv.writer(_Echo()).writerow


def line(values: Iterable[Any]) -> str:
    """Write one line, every value harmless."""
    return _write([cell(value) for value in values])


def head(names: Iterable[str]) -> str:
    """Write the mark and the names of the columns."""
    return MARK + line(names)


def cell(value: Any) -> Any:
    """Give a value as a cell, harmless for spreadsheets."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
