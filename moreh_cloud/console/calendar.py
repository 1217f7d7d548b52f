"""Ranges of time as people name them, in the installation's time zone."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo

from usage.calendar import Unit, floor_hour, midnight

Range = tuple[datetime, datetime]
HOURLY_UP_TO = timedelta(hours=72)
DAILY_UP_TO = timedelta(days=400)


def today(now: datetime, zone: tzinfo) -> Range:
    """Give the day so far."""
    return midnight(now.astimezone(zone).date(), zone), now


def seven_days(now: datetime, _zone: tzinfo) -> Range:
    """Give the time since the start of the hour seven days ago, so that whole hours can be counted."""
    return floor_hour(now) - timedelta(days=7), now


def this_month(now: datetime, zone: tzinfo) -> Range:
    """Give the month so far."""
    return midnight(now.astimezone(zone).date().replace(day=1), zone), now


def last_month(now: datetime, zone: tzinfo) -> Range:
    """Give the whole month before this one."""
    first = now.astimezone(zone).date().replace(day=1)
    return midnight((first - timedelta(days=1)).replace(day=1), zone), midnight(first, zone)


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
