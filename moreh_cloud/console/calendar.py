"""Ranges of time as people name them, in the installation's time zone, and the pieces that a chart shows of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock
from enum import StrEnum

Range = tuple[datetime, datetime]
HOURLY_UP_TO = timedelta(hours=72)
DAILY_UP_TO = timedelta(days=400)


class Unit(StrEnum):
    """How long a piece of a chart is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


def today(now: datetime, zone: tzinfo) -> Range:
    """Give the day so far."""
    return _midnight(now.astimezone(zone).date(), zone), now


def seven_days(now: datetime, _zone: tzinfo) -> Range:
    """Give the time since the start of the hour seven days ago, so that whole hours can be counted."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=7), now


def this_month(now: datetime, zone: tzinfo) -> Range:
    """Give the month so far."""
    return _midnight(now.astimezone(zone).date().replace(day=1), zone), now


def last_month(now: datetime, zone: tzinfo) -> Range:
    """Give the whole month before this one."""
    first = now.astimezone(zone).date().replace(day=1)
    return _midnight((first - timedelta(days=1)).replace(day=1), zone), _midnight(first, zone)


PRESETS: Mapping[str, Callable[[datetime, tzinfo], Range]] = {
    "today": today,
    "7d": seven_days,
    "month": this_month,
    "last-month": last_month,
}


def unit_for(start: datetime, end: datetime) -> Unit:
    """Choose pieces of which a range has neither too few nor too many to look at."""
    if end - start <= HOURLY_UP_TO:
        return Unit.HOUR
    return Unit.DAY if end - start <= DAILY_UP_TO else Unit.MONTH


def bounds(start: datetime, end: datetime, unit: Unit, zone: tzinfo) -> list[datetime]:
    """Cut a range at the local hours, days or months; the first and the last piece may be shorter."""
    cuts = [start]
    while (at := AFTER[unit](cuts[-1].astimezone(zone), zone)) < end:
        cuts.append(at)
    return [*cuts, end]


def _next_hour(at: datetime, _zone: tzinfo) -> datetime:
    past = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    return at.astimezone(UTC) - past + timedelta(hours=1)


def _next_day(at: datetime, zone: tzinfo) -> datetime:
    return _midnight(at.date() + timedelta(days=1), zone)


def _next_month(at: datetime, zone: tzinfo) -> datetime:
    return _midnight((at.date().replace(day=1) + timedelta(days=31)).replace(day=1), zone)


AFTER: Mapping[Unit, Callable[[datetime, tzinfo], datetime]] = {
    Unit.HOUR: _next_hour,
    Unit.DAY: _next_day,
    Unit.MONTH: _next_month,
}


def _midnight(day: date, zone: tzinfo) -> datetime:
    # In UTC, because two times of one zone are subtracted and compared as if clocks were never changed.
    return datetime.combine(day, clock.min, zone).astimezone(UTC)
