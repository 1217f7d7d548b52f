"""Read a table that somebody uploads, whatever program wrote it: CSV or JSON, in the encodings that are about."""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from django.utils.translation import gettext_lazy as _

from core.errors import FileRefused, Message
from core.sheets import unguarded
from core.texts import is_too_deep

MOST_BYTES = 10_000_000
MOST_LINES = 20_000
LONGEST_CELL = 1_000_000
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of a file: its number, its cells by column, and what is wrong with its shape."""

    number: int
    cells: dict[str, Any] = field(default_factory=dict)
    problem: Message = ""


def read_table(data: bytes, *, verbatim: Collection[str] = ()) -> tuple[Sequence[str], list[FileRow]]:
    """Return the columns and the rows of a file; blank lines are left out. Raises FileRefused.

    Cells of the columns `verbatim` are taken as they are: no file of ours holds them, so none was guarded.
    """
    if len(data) > MOST_BYTES:
        raise FileRefused(_("The file is larger than 10 MB. Split it."), bytes=len(data))
    text = _decoded(data).strip("\ufeff")
    if not text.strip():
        raise FileRefused(_("The file is empty."))
    is_json = text.lstrip()[:1] in "[{"
    columns, lines = _of_json(text) if is_json else _of_csv(text, verbatim)
    if len(lines) > MOST_LINES:
        raise FileRefused(_("The file has more than 20,000 rows. Split it."))
    twice = [name for name, number in Counter(columns).items() if number > 1]
    if twice:
        raise FileRefused(_("A column is there twice."), columns=twice)
    return columns, lines


def _decoded(data: bytes) -> str:
    """Decode UTF-8 and UTF-16 with or without their mark, and CP949, which Korean spreadsheets write."""
    zeros = (data[:200:2].count(0), data[1:200:2].count(0))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        guesses = ["utf-16"]
    elif max(zeros) > 20 or (max(zeros) and len(data) < 60):
        guesses = ["utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"]
    else:
        guesses = ["utf-8-sig", "cp949"]
    for guess in guesses:
        try:
            text = data.decode(guess)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise FileRefused(_("The encoding is not known. Save the file as UTF-8."))


def _of_json(text: str) -> tuple[Sequence[str], list[FileRow]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileRefused(_("This is not JSON."), line=getattr(error, "lineno", 0)) from None
    if not isinstance(rows, list):
        raise FileRefused(_("The JSON must be a list of objects."))
    columns = dict.fromkeys(name for row in rows[: MOST_LINES + 1] if isinstance(row, dict) for name in row)
    lines = [
        FileRow(number, problem=problem) if (problem := _problem_of(row)) else FileRow(number, row)
        for number, row in enumerate(rows[: MOST_LINES + 1], 1)
    ]
    return list(columns), lines


def _problem_of(row: object) -> Message:
    if not isinstance(row, dict):
        return _("It is not an object.")
    return _("It is nested too deeply.") if is_too_deep(row) else ""


def _of_csv(text: str, verbatim: Collection[str]) -> tuple[Sequence[str], list[FileRow]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = _filled(reader)
        _number, header = next(rows)
        columns = [name.strip() for name in header]
        lines = []
        for number, cells in rows:
            lines.append(_line(number, columns, cells, verbatim))
            if len(lines) > MOST_LINES:
                break
    except csv.Error:
        raise FileRefused(_("This is not CSV."), line=reader.line_num) from None
    return columns, lines


def _filled(reader: Any) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _line(number: int, columns: Sequence[str], cells: Sequence[str], verbatim: Collection[str]) -> FileRow:
    if len(cells) != len(columns):
        more = len(cells) > len(columns)
        return FileRow(
            number, problem=_("It has more cells than columns.") if more else _("It has fewer cells than columns.")
        )
    named = zip(columns, cells, strict=True)
    return FileRow(number, {name: cell if name in verbatim else unguarded(cell) for name, cell in named})
