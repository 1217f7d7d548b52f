from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from moreh_cloud.lib.clock import db_now, to_ms
from usage.metering import device_ms
from usage.models import ClosedHour, UsageHour
from usage.queries import first_start, intervals, last_closed

HOUR = timedelta(hours=1)
SETTLE = timedelta(minutes=2)  # no transaction lives this long: what carries a time of the hour is committed by then


def close_hours() -> int:
    """Roll up every hour that is over and settled and not closed yet; give how many.

    Hours are UTC; safe to run twice, at once or late: an hour is closed by inserting its row.
    """
    closed = 0
    latest = _hour(db_now() - SETTLE)
    hour = _next_hour()
    while hour and hour < latest:
        closed += close_hour(hour)
        hour += HOUR
    return closed


def close_hour(hour: datetime) -> bool:
    """Store each token's device-milliseconds of one hour; tell False if somebody else has closed it."""
    sums = device_ms(intervals(hour, hour + HOUR), to_ms(hour), to_ms(hour + HOUR))
    closed = ClosedHour(hour=hour, device_ms=sum(sums.values()), closed_at=db_now())
    try:
        with transaction.atomic():
            closed.save(force_insert=True)
            rows = (UsageHour(hour=hour, token_id=token, device_ms=ms) for token, ms in sums.items())
            UsageHour.objects.bulk_create(rows, batch_size=2000)
    except IntegrityError:
        return False
    return True


def _next_hour() -> datetime | None:
    """Give the first hour that is not closed: after the last closed one, else that of the first allocation."""
    last = last_closed()
    if last:
        return last.hour + HOUR
    start = first_start()
    return _hour(start) if start else None


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
