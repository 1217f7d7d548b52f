"""Closed days and months, written from closed hours and days.

Where a day begins or ends between two UTC hours, the allocations of that part are read.
"""

from datetime import datetime, tzinfo

from django.db import connection

from core.bulk import insert_rows
from usage.calendar import after, floor
from usage.metering import HeldDevices
from usage.rollups import reading
from usage.rollups.cover import Piece, cover
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain, Period
from usage.rollups.measure import COLUMNS

FINER = {DAYS.unit: HOURS, MONTHS.unit: DAYS}
HELD_COLUMNS = ("token_id", "device_ms", "minimum", "maximum")
TIMES_COLUMNS = (*COLUMNS.values(), "device_ms", "preparing_ms", "reserved_ms")
WRITE = "INSERT INTO {table} ({name}, {columns}) SELECT %s, {columns} FROM ({rows}) AS done ORDER BY {order}"


def next_period(grain: Grain, zone: tzinfo) -> Period | None:
    """Return the next day or month to close; None while not all of its finer periods are closed."""
    finer, known = FINER[grain.unit].reach(), grain.reach()
    if not finer:
        return None
    start = known[1] if known else floor(finer[0], grain.unit, zone)
    end = after(start, grain.unit, zone)
    return (start, end) if end <= finer[1] else None


def earlier_periods(grain: Grain, start: datetime, zone: tzinfo) -> list[Period]:
    """Return the days or months between a time and the first closed one."""
    known = grain.reach()
    periods: list[Period] = []
    at = floor(start, grain.unit, zone)
    while known and at < known[0]:
        periods.append((at, min(after(at, grain.unit, zone), known[0])))
        at = periods[-1][1]
    return periods


def clear(grain: Grain, start: datetime, end: datetime) -> None:
    """Delete all rows of the periods that begin in a range."""
    for model in (grain.usage, grain.detail, grain.closed):
        grain.within(model._default_manager.all(), start, end).delete()


def write_period(grain: Grain, start: datetime, end: datetime) -> HeldDevices:
    """Write what each token held in a day or month that has no rows yet; return what all held together."""
    pieces = cover(start, end)
    if all(piece.grain for piece in pieces):
        _write_at_once(grain, start, pieces)
    else:
        _write_row_by_row(grain, start, pieces)
    return reading.held_by_all(pieces)


def _write_at_once(grain: Grain, start: datetime, pieces: list[Piece]) -> None:
    for model, columns, (rows, given) in (
        (grain.usage, HELD_COLUMNS, reading.held_statement(pieces)),
        (grain.detail, TIMES_COLUMNS, reading.times_statement(pieces, tuple(COLUMNS))),
    ):
        names = {"table": model._meta.db_table, "name": grain.name, "order": columns[0]}
        statement = WRITE.format(rows=rows, columns=", ".join(columns), **names)
        with connection.cursor() as cursor:
            cursor.execute(statement, [connection.ops.adapt_datetimefield_value(start), *given])


def _write_row_by_row(grain: Grain, start: datetime, pieces: list[Piece]) -> None:
    held = sorted(reading.held_by_token(pieces).items())
    rows = ((start, pk, found.device_ms, found.minimum, found.maximum) for pk, found in held)
    insert_rows(grain.usage, (grain.name, *HELD_COLUMNS), rows)
    times = sorted(reading.times_by(pieces, tuple(COLUMNS)).items())
    kinds = ((start, *key, found.device_ms, found.preparing_ms, found.reserved_ms) for key, found in times)
    insert_rows(grain.detail, (grain.name, *TIMES_COLUMNS), kinds)
