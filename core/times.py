"""Times as people and programs write them: one reader for every interface, and the range that we keep."""

from datetime import UTC, date, datetime, time, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

OLDEST, NEWEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def read_time(text: str) -> datetime:
    """Return the moment that a text names: ISO 8601, without an offset a local time. Raises ValidationError.

    A day alone is the moment at which it begins, also where its midnight does not exist or exists twice.
    """
    if day := _read_day(text.strip()):
        return placed(_start_of(day))
    try:
        at = parse_datetime(text.strip())
    except ValueError:
        at = None
    if at is None:
        raise ValidationError(_("Write it as YYYY-MM-DD HH:MM."), code="invalid")
    return placed(at)


def read_end_of_day(text: str) -> datetime:
    """Return the last microsecond of the local day that a text names. Raises ValidationError."""
    day = _read_day(text.strip())
    if day is None:
        raise ValidationError(_("Write it as YYYY-MM-DD HH:MM."), code="invalid")
    return placed(_start_of(day + timedelta(days=1)) - timedelta(microseconds=1))


def _read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return min(max(day, date(OLDEST.year - 1, 1, 1)), date(NEWEST.year + 1, 1, 1))  # beyond is out of range as well


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone()).astimezone(UTC)


def placed(at: datetime) -> datetime:
    """Return a time with an offset, read as local time where it has none. Raises ValidationError.

    A local time of the hour that clocks skip or repeat names no moment or two, so it needs an offset.
    """
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.get_current_timezone(), fold=0)
        if not names_one_moment(at):
            raise ValidationError(
                _("In %(zone)s this time does not exist or exists twice. Add an offset, as in +09:00."),
                code="not_one_moment",
                params={"zone": timezone.get_current_timezone_name()},
            )
    if not OLDEST <= at <= NEWEST:
        raise ValidationError(_("The time is out of range."), code="out_of_range")
    return at


def names_one_moment(local: datetime) -> bool:
    """Whether a local time names one moment without its offset: clocks neither skip nor repeat it."""
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


def local_iso(at: datetime) -> str:
    """Write a time in local time to the second, with its offset, so that it can be read back in every hour."""
    return timezone.localtime(at).isoformat(timespec="seconds")
