"""An issued statement as its event holds it: every value of its row and of its lines, by the names of their columns.

What is issued can be compared with it later, value by value.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

ISSUED, CORRECTED = "ISSUE_STATEMENT", "CORRECT_STATEMENT"
STATEMENT = (
    *("token_id", "month", "sequence", "kind", "status", "corrects_id", "number", "customer", "currency"),
    *("time_zone", "starts_at", "ends_at", "device_ms", "total", "made_at", "issued_at", "issued_by"),
)
LINE = (
    *("place", "sda_model_id", "sda_model_name", "device_model", "price_id", "unit_price"),
    *("device_ms", "preparing_ms", "reserved_ms", "amount"),
)
Row = Mapping[str, Any]


def event_values(statement: Row, lines: Iterable[Row]) -> dict[str, Any]:
    """Return a statement and its lines as values of JSON."""
    return {
        "statement": {name: json_value(statement[name]) for name in STATEMENT},
        "lines": [{name: json_value(line[name]) for name in LINE} for line in lines],
    }


def json_value(value: Any) -> Any:
    """Return a value of a column so that equal ones are equal as JSON: amounts without zeros, times in UTC."""
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
    return value


def number_of(month: date, token: int, sequence: int) -> str:
    """Return the number that a statement, or a correction of it, is issued with."""
    return f"{month:%Y%m}-{token}" + (f"-{sequence}" if sequence else "")
