"""Lines of CSV that a spreadsheet reads well and that do nothing in it.

UTF-8 with a byte order mark, without which spreadsheets read Korean as noise. Every text is quoted. Where a spreadsheet
would take a text for a formula, an apostrophe stands before it: at its beginning, and behind what a spreadsheet of
another country takes for a separator, because it does not see our quotes. A text that has apostrophes there gets one
more, so `unguarded` returns exactly what was written.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

MARK = "\ufeff"
_SIGN = "[=+\\-@＝＋－＠]"  # noqa: RUF001 - the wide ones count as well
# What a spreadsheet may pass over before a sign: by category (Zs, Zl, Zp, Cc, Cf) every space, control and format
# character but those of _AFTER, and what looks like nothing: fillers, selectors and those not assigned yet.
_BLANK = (
    "["
    "\x00-\x08\x0b-\x0c\x0e-\x20\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680"
    "\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb\U000110bd"
    "\U000110cd\U00013430-\U00013438\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f"
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
    "]"
)
_AFTER = "(?<=[;|\t\r\n])"
_BEFORE = f"'*(?:[\t\r\n]|(?:{_BLANK})*{_SIGN})"
_BEFORE_INSIDE = f"'*(?:{_BLANK}|\")*{_SIGN}"
_to_guard = re.compile(f"^(?={_BEFORE})|{_AFTER}(?={_BEFORE_INSIDE})")
_guards = re.compile(f"^'(?={_BEFORE})|{_AFTER}'(?={_BEFORE_INSIDE})")


class _Echo:
    """A file that returns what is written to it, so that a line is built without a file."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


_write: Callable[[Iterable[Any]], str] = csv.writer(_Echo(), quoting=csv.QUOTE_NONNUMERIC).writerow
_write_names: Callable[[Iterable[Any]], str] = csv.writer(_Echo()).writerow


def line(values: Iterable[Any]) -> str:
    """Write one line, every value harmless."""
    return _write([cell(value) for value in values])


def head(names: Iterable[str]) -> str:
    """Write the mark and the names of the columns, which are ours."""
    return MARK + _write_names(names)


def cell(value: Any) -> Any:
    """Return a value as a cell, harmless for spreadsheets."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _to_guard.sub("'", text)


def unguarded(text: str) -> str:
    """Return the text of a cell without the apostrophes that `cell` puts in."""
    return _guards.sub("", text)
