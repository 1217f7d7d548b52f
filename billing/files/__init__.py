"""A statement as a file: its lines as CSV, and all of it as JSON and as a workbook."""

from collections.abc import Callable, Mapping

from billing.files.tables import as_csv, as_json, as_xlsx
from billing.models import Statement

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS: Mapping[str, tuple[str, Callable[[Statement], bytes]]] = {
    "csv": ("text/csv; charset=utf-8; header=present", as_csv),
    "json": ("application/json", as_json),
    "xlsx": (XLSX, as_xlsx),
}

__all__ = ["KINDS"]
