"""Tables as files that a spreadsheet reads well and that do nothing in it."""

import csv
import json
from collections.abc import Callable, Sequence
from typing import Any

MARK = "\ufeff"  # without it spreadsheets read Korean as noise
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - the wide ones count as well


def cell(value: Any) -> Any:
    """Give a value as a cell: a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def line_writer() -> Callable[[Sequence[Any]], str]:
    """Give a function that makes a line of CSV of the cells of a row."""
    return csv.writer(_Echo()).writerow


class _Echo:
    """Gives back what is written to it, so that a line is made without a file."""

    def write(self, text: str) -> str:
        """Give the text."""
        return text
