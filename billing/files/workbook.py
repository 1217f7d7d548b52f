"""A plain workbook (Office Open XML): sheets of texts and numbers; a text is no formula, whatever it begins with."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from xlsxwriter import Workbook

Rows = Iterable[Sequence[Any]]
MADE = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # so that the same rows give the same bytes


def workbook(sheets: Mapping[str, Rows]) -> bytes:
    """Return a workbook of named sheets."""
    packed = BytesIO()
    with Workbook(packed, {"in_memory": True}) as book:
        book.set_properties({"created": MADE})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                for column, value in enumerate(row):
                    _write(sheet, place, column, value)
    return packed.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any) -> None:
    if isinstance(value, int | Decimal):
        sheet.write_number(row, column, value)
    elif value is not None:
        _write_text(sheet, row, column, str(value))


def _write_text(sheet: Any, row: int, column: int, text: str) -> None:
    if text.startswith("<r>") and text.endswith("</r>"):  # XlsxWriter puts such a text into the file as it is, as XML
        sheet.write_rich_string(row, column, text[:1], text[1:2], text[2:])
    else:
        sheet.write_string(row, column, text)
