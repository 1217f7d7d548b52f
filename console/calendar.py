"""Named ranges of time, in the installation's time zone."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo

from usage.calendar import Unit, floor_hour, midnight

Range = tuple[datetime, datetime]
HOURLY_UP_TO = timedelta(hours=72)
DAILY_UP_TO = timedelta(days=400)


def today(now: datetime, zone: tzinfo) -> Range:
    """Return the range from midnight to now."""
    return midnight(now.astimezone(zone).date(), zone), now


def seven_days(now: datetime, _zone: tzinfo) -> Range:
    """Return the range from the start of the hour seven days ago to now; it consists of whole hours and this one."""
    return floor_hour(now) - timedelta(days=7), now


def this_month(now: datetime, zone: tzinfo) -> Range:
    """Return the range from the first of the month to now."""
    return midnight(now.astimezone(zone).date().replace(day=1), zone), now


def last_month(now: datetime, zone: tzinfo) -> Range:
    """Return the whole previous month."""
    first = now.astimezone(zone).date().replace(day=1)
    return midnight((first - timedelta(days=1)).replace(day=1), zone), midnight(first, zone)


PRESETS: Mapping[str, Callable[[datetime, tzinfo], Range]] = {
    "today": today,
    "7d": seven_days,
    "month": this_month,
    "last-month": last_month,
}


def unit_for(start: datetime, end: datetime) -> Unit:
    """Return the unit in which a chart of a range has neither too few nor too many pieces."""
    if end - start <= HOURLY_UP_TO:
        return Unit.HOUR
    return Unit.DAY if end - start <= DAILY_UP_TO else Unit.MONTH
