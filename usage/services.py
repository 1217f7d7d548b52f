from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now, to_ms
from usage.metering import NOTHING, Held
from usage.models import ClosedHour, UsageHour
from usage.queries import HOUR, first_start, last_closed, measured_hours

CHUNK = timedelta(days=7)  # hours that are counted again in one transaction
SETTLE = timedelta(minutes=2)  # no transaction lives this long: what carries a time of the hour is committed by then


def close_hours() -> int:
    """Roll up every hour that is over and settled and not closed yet; give how many.

    Hours are UTC; safe to run twice, at once or late: an hour is closed by inserting its row.
    """
    closed = 0
    latest = settled_until()
    hour = _next_hour()
    while hour and hour < latest:
        closed += close_hour(hour)
        hour += HOUR
    return closed


def settled_until() -> datetime:
    """Give the start of the first hour that cannot be closed yet."""
    return _hour(db_now() - SETTLE)


def recount_hours(start: datetime, end: datetime, *, actor: Actor) -> int:
    """Roll up every settled hour of a range, closed before or not, after history was added to it; give how many.

    Hours before the range that are not closed yet are counted too: none may lie unclosed before a closed one.
    """
    first = min(_hour(start), _next_hour() or _hour(start))
    last = min(_hour(end - timedelta(milliseconds=1)) + HOUR, settled_until())
    at = first
    while at < last:
        _recount(at, min(at + CHUNK, last), actor)
        at += CHUNK
    return max(0, (last - first) // HOUR)


@transaction.atomic
def _recount(start: datetime, end: datetime, actor: Actor) -> None:
    """Lock the hours by writing their rows, and only then read what was held in them."""
    now = db_now()
    closed = [_closed(start + i * HOUR, NOTHING, now) for i in range((end - start) // HOUR)]
    _upsert(closed)
    UsageHour.objects.filter(hour__gte=start, hour__lt=end).delete()
    tokens, totals = measured_hours(start, end)
    UsageHour.objects.bulk_create(_rows(tokens), batch_size=2000)
    _upsert([_closed(row.hour, totals.get(to_ms(row.hour), NOTHING), now) for row in closed])
    record("RECOUNT_USAGE", actor=actor, start=start.isoformat(), end=end.isoformat())


def _upsert(closed: list[ClosedHour]) -> None:
    fields = ["device_ms", "minimum", "maximum", "closed_at"]
    ClosedHour.objects.bulk_create(closed, update_conflicts=True, unique_fields=["hour"], update_fields=fields)


def close_hour(hour: datetime) -> bool:
    """Store what each token held in one hour; tell False if somebody else has closed it."""
    tokens, totals = measured_hours(hour, hour + HOUR)
    try:
        with transaction.atomic():
            _closed(hour, totals.get(to_ms(hour), NOTHING), db_now()).save(force_insert=True)
            UsageHour.objects.bulk_create(_rows(tokens), batch_size=2000)
    except IntegrityError:
        return False
    return True


def _closed(hour: datetime, held: Held, now: datetime) -> ClosedHour:
    values = {"device_ms": held.device_ms, "minimum": held.minimum, "maximum": held.maximum}
    return ClosedHour(hour=hour, closed_at=now, **values)


def _rows(tokens: Mapping[tuple[int, int], Held]) -> Iterator[UsageHour]:
    for (ms, token), held in tokens.items():
        hour = datetime.fromtimestamp(ms / 1000, UTC)
        values = {"device_ms": held.device_ms, "minimum": held.minimum, "maximum": held.maximum}
        yield UsageHour(hour=hour, token_id=token, **values)


def _next_hour() -> datetime | None:
    """Give the first hour that is not closed: after the last closed one, else that of the first allocation."""
    last = last_closed()
    if last:
        return last.hour + HOUR
    start = first_start()
    return _hour(start) if start else None


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
