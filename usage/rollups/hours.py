"""Closed hours, written from the allocations."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import starmap

from core.bulk import insert_rows
from core.clock import to_ms
from core.postgresql import is_postgresql
from usage.intervals import UsageKind, intervals, stays
from usage.metering import HOUR_MS, HeldDevices, Interval, Times, held_by_hour, times_by_hour
from usage.models import DetailHour, UsageHour
from usage.rollups.measure import COLUMNS, run
from usage.rollups.statements import HELD, KINDS, LEVELS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KIND = ", ".join(COLUMNS.values())
HELD_COLUMNS = ("hour", "token_id", "device_ms", "minimum", "maximum")
TIMES_COLUMNS = ("hour", *COLUMNS.values(), "device_ms", "preparing_ms", "reserved_ms")
# In the order of their keys, so that indexes grow only at their end.
WRITE = f"""
WITH {HELD},
detail AS (
    INSERT INTO usage_detailhour ({", ".join(TIMES_COLUMNS)})
    SELECT %(start)s + piece * interval '1 hour', {KIND}, device_ms, preparing_ms, reserved_ms FROM (
        {KINDS.format(columns=KIND)}
    ) AS by_kind
),
{LEVELS.format(name="by_token", who="token_id")},
{LEVELS.format(name="by_all", who="0")},
usage AS (
    INSERT INTO usage_usagehour ({", ".join(HELD_COLUMNS)})
    SELECT %(start)s + piece * interval '1 hour', who, device_ms, minimum, maximum FROM by_token ORDER BY piece, who
)
SELECT piece, minimum, maximum, device_ms FROM by_all
"""  # noqa: S608 - only our own names are put in


def write_hours(start: datetime, end: datetime) -> dict[datetime, HeldDevices]:
    """Write what each token held in each UTC hour of a range; return what all held together, by hour.

    Hours in which nothing was held are absent. No hour of the range may have rows yet.
    """
    return _write_at_once(start, end) if is_postgresql() else _write_portably(start, end)


def _write_at_once(start: datetime, end: datetime) -> dict[datetime, HeldDevices]:
    rows = run(WRITE, start, end, width=HOUR_MS)
    return {start + timedelta(hours=piece): HeldDevices(low, high, ms, HOUR_MS) for piece, low, high, ms in rows}


def _write_portably(start: datetime, end: datetime) -> dict[datetime, HeldDevices]:
    tokens, everybody = measured_hours(start, end)
    insert_rows(UsageHour, HELD_COLUMNS, starmap(_held_row, sorted(tokens.items())))
    insert_rows(DetailHour, TIMES_COLUMNS, starmap(_times_row, sorted(measured_details(start, end).items())))
    return {_at(ms): found for ms, found in everybody.items()}


def measured_hours(start: datetime, end: datetime) -> tuple[dict[tuple[int, int], HeldDevices], dict[int, HeldDevices]]:
    """Return by the allocations what each (hour in ms, token) of a range held, and each hour in all."""
    found, span = list(intervals(start, end)), (to_ms(start), to_ms(end))
    everyone = (Interval(0, one.start_ms, one.end_ms, one.devices) for one in found)
    return held_by_hour(found, *span), {ms: total for (ms, _), total in held_by_hour(everyone, *span).items()}


def measured_details(start: datetime, end: datetime) -> Mapping[tuple[int, UsageKind], Times]:
    """Return by the allocations the times of each (hour in ms, kind) of a range."""
    return times_by_hour(stays(start, end), to_ms(start), to_ms(end))


def _held_row(key: tuple[int, int], found: HeldDevices) -> tuple[object, ...]:
    return (_at(key[0]), key[1], found.device_ms, found.minimum, found.maximum)


def _times_row(key: tuple[int, UsageKind], found: Times) -> tuple[object, ...]:
    return (_at(key[0]), *key[1], found.device_ms, found.preparing_ms, found.reserved_ms)


def _at(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def hours_of(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the start of each hour of a range that begins and ends at a full hour."""
    for number in range((end - start) // timedelta(hours=1)):
        yield start + timedelta(hours=number)
