"""Hours, days and months of the installation's time zone, as times in UTC.

A day may have 23 or 25 hours, and begin between two hours of UTC. Leap seconds are ignored, as every clock here does.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock
from enum import StrEnum

HOUR = timedelta(hours=1)


class Unit(StrEnum):
    """How long a period is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


def floor(at: datetime, unit: Unit, zone: tzinfo) -> datetime:
    """Return the start of the local hour, day or month that a time lies in."""
    local = at.astimezone(zone)
    if unit == Unit.HOUR:
        return at.astimezone(UTC) - _past_the_hour(local)
    return midnight(local.date().replace(day=1) if unit == Unit.MONTH else local.date(), zone)


def after(at: datetime, unit: Unit, zone: tzinfo) -> datetime:
    """Return the end of the local hour, day or month that a time lies in."""
    return AFTER[unit](at.astimezone(zone), zone)


def bounds(start: datetime, end: datetime, unit: Unit, zone: tzinfo) -> list[datetime]:
    """Return a range cut at the local hours, days or months; the first and the last piece may be shorter."""
    return list(cut(start, end, unit, zone))


def cut(start: datetime, end: datetime, unit: Unit, zone: tzinfo) -> Iterator[datetime]:
    """Yield the cuts that `bounds` returns one by one, because a range of thousands of years has very many."""
    yield start
    while (start := after(start, unit, zone)) < end:
        yield start
    yield end


def floor_hour(at: datetime) -> datetime:
    """Return the start of the UTC hour that a time lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def ceil_hour(at: datetime) -> datetime:
    """Return the start of the first UTC hour that begins at a time or after it."""
    return floor_hour(at + HOUR - timedelta(microseconds=1))


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a local day begins."""
    # In UTC, because two times of one zone are subtracted and compared as if clocks were never changed.
    return datetime.combine(day, clock.min, zone).astimezone(UTC)


def _past_the_hour(at: datetime) -> timedelta:
    return timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


def _next_hour(at: datetime, _zone: tzinfo) -> datetime:
    return at.astimezone(UTC) - _past_the_hour(at) + HOUR


def _next_day(at: datetime, zone: tzinfo) -> datetime:
    return midnight(at.date() + timedelta(days=1), zone)


def _next_month(at: datetime, zone: tzinfo) -> datetime:
    return midnight((at.date().replace(day=1) + timedelta(days=31)).replace(day=1), zone)


AFTER: Mapping[Unit, Callable[[datetime, tzinfo], datetime]] = {
    Unit.HOUR: _next_hour,
    Unit.DAY: _next_day,
    Unit.MONTH: _next_month,
}
