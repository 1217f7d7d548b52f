"""Statements as tables, under names that do not change with the language; money has its currency's digits."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing.files.workbook import workbook
from billing.models import Statement, StatementLine
from billing.pricing import money
from core import sheets
from usage.metering import HOUR_MS

THOUSANDTH = Decimal("0.001")
Fields = Mapping[str, Any]


def head_of(statement: Statement) -> Fields:
    """Return what a statement says besides its lines."""
    original = statement.corrects
    return {
        "number": statement.number,
        "kind": statement.kind,
        "status": statement.status,
        "corrects": original.number if original else None,
        "month": f"{statement.month:%Y-%m}",
        "from": _time(statement.starts_at, statement),
        "until": _time(statement.ends_at, statement),
        "time_zone": statement.time_zone,
        "token": statement.token_id,
        "customer": statement.customer,
        "currency": statement.currency,
        "device_ms": statement.device_ms,
        "total": _money(statement.total, statement),
        "made": _time(statement.made_at, statement),
        "issued": _time(statement.issued_at, statement),
        "issued_by": statement.issued_by,
    }


def line_of(line: StatementLine, statement: Statement) -> Fields:
    """Return what a line says; without a unit price it has no price."""
    return {
        "line": line.place,
        "sda_model": line.sda_model_name,
        "device_model": line.device_model,
        "device_ms": line.device_ms,
        "preparing_ms": line.preparing_ms,
        "processing_ms": line.processing_ms,
        "reserved_ms": line.reserved_ms,
        "device_hours": hours(line.device_ms),
        "unit_price": line.unit_price,
        "amount": _money(line.amount, statement),
    }


def hours(ms: int) -> Decimal:
    """Return device-hours to read, rounded; money is never computed from them."""
    return (Decimal(ms) / HOUR_MS).quantize(THOUSANDTH)


WHOSE = ("number", "kind", "status", "corrects", "month", "token", "customer", "currency")


def as_csv(statement: Statement) -> bytes:
    """Return the lines, each with whose it is, so that files can be put together."""
    head = head_of(statement)
    whose = {name: head[name] for name in WHOSE}
    rows = [{**whose, **line_of(line, statement)} for line in statement.lines.all()]
    text = [sheets.line(row.values()) for row in rows]
    return "".join([sheets.head(rows[0] if rows else whose), *text]).encode()


def as_json(statement: Statement) -> bytes:
    """Return all of it; amounts and prices are texts, because programs take numbers with a point for floats."""
    lines = [line_of(line, statement) for line in statement.lines.all()]
    return json.dumps({**head_of(statement), "lines": lines}, ensure_ascii=False, indent=1, default=str).encode()


def as_xlsx(statement: Statement) -> bytes:
    """Return all of it as two sheets, numbers as numbers."""
    lines = [line_of(line, statement) for line in statement.lines.all()]
    table = [tuple(lines[0]) if lines else (), *(tuple(line.values()) for line in lines)]
    return workbook({"statement": list(head_of(statement).items()), "lines": table})


def _money(amount: Decimal, statement: Statement) -> Decimal:
    return Decimal(money(amount, statement.digits))


def _time(at: datetime | None, statement: Statement) -> str | None:
    return at.astimezone(_zone_of(statement)).isoformat(timespec="milliseconds") if at else None


def _zone_of(statement: Statement) -> tzinfo:
    """Return the zone of a statement; UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(statement.time_zone)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return UTC
