"""Close periods once, in the order of time, and count them again where history was added or came late."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import TruncHour
from django.utils import timezone

from core.clock import db_now
from core.waits import wait_long
from events.actor import SYSTEM, Actor
from events.services import record
from scheduler.models import Allocation
from usage.calendar import HOUR, ceil_hour, floor_hour
from usage.metering import NOTHING, HeldDevices
from usage.models import ClosedHour
from usage.queries import SETTLE, first_start
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain, Period
from usage.rollups.hours import hours_of, write_hours
from usage.rollups.lock import lock_rollups
from usage.rollups.periods import clear, earlier_periods, next_period, write_period

CHUNK = timedelta(days=7)  # hours that are counted in one transaction
CHECKED_AGAIN = timedelta(hours=3)  # the latest closed hours, which every beat checks for late allocations
CHECKED_AGAIN_HOURLY = timedelta(hours=48)


def roll_up() -> None:
    """Close every period that is over, and correct closed hours in which an allocation came late.

    Safe to run twice, at the same time or late.
    """
    closed = close_hours()
    correct_late(CHECKED_AGAIN_HOURLY if closed else CHECKED_AGAIN)
    close_days_and_months()


def close_hours(until: datetime | None = None) -> int:
    """Roll up every hour (UTC) that is over, settled and not closed yet; return how many.

    `until`: only hours that end by then.
    """
    closed = 0
    while more := _close_next_hours(until):
        closed += more
    return closed


@transaction.atomic
def _close_next_hours(until: datetime | None) -> int:
    lock_rollups()
    start, last = _next_hour(), settled_until()
    end = min(start + CHUNK, last, floor_hour(until or last)) if start else None
    if not (start and end) or start >= end:
        return 0
    write_closed_hours(start, end)
    _record_close("hour", start, end)
    return (end - start) // HOUR


def close_days_and_months() -> None:
    """Roll up every day, then every month, of the installation's time zone of which all hours are closed."""
    for grain in (DAYS, MONTHS):
        while _close_next(grain):
            pass


@transaction.atomic
def _close_next(grain: Grain) -> bool:
    lock_rollups()
    period = next_period(grain, timezone.get_default_timezone())
    if period:
        _write_period(grain, *period)
        _record_close(grain.name, *period)
    return bool(period)


def settled_until() -> datetime:
    """Return the start of the first hour that cannot be closed yet."""
    return floor_hour(db_now() - SETTLE)


def recount_hours(start: datetime, end: datetime, *, actor: Actor) -> int:
    """Roll up every settled hour of a range after history was added to it, closed or not; return how many.

    The days and months of these hours are rolled up as well, and so are the hours between the range and closed ones,
    because closed hours have no gap.
    """
    reach = HOURS.reach()
    first = floor_hour(min(start, reach[1] if reach else first_start() or start))
    last = min(max(ceil_hour(end), reach[0]) if reach else ceil_hour(end), settled_until())
    known = min(max(first, reach[0]), last) if reach else first
    for chunk in (*reversed(_chunks(first, known)), *_chunks(known, last)):
        _recount(*chunk, actor)
    close_days_and_months()
    return max(0, (last - first) // HOUR)


def _chunks(start: datetime, end: datetime) -> list[Period]:
    """Return a range in chunks. The caller takes those before closed hours from the last on, so that no gap appears."""
    count = -(-(end - start) // CHUNK)
    return [(start + number * CHUNK, min(start + (number + 1) * CHUNK, end)) for number in range(count)]


@transaction.atomic
def _recount(start: datetime, end: datetime, actor: Actor) -> None:
    lock_rollups()
    _count_again(start, end)
    record("RECOUNT_USAGE", actor=actor, start=start.isoformat(), end=end.isoformat())


def _count_again(start: datetime, end: datetime) -> None:
    """Write hours, and the days and months that contain them, again. The caller holds the lock on roll-ups."""
    clear(HOURS, start, end)
    write_closed_hours(start, end)
    for grain in (DAYS, MONTHS):
        periods = [*earlier_periods(grain, start, timezone.get_default_timezone()), *grain.touching(start, end)]
        if periods:
            clear(grain, periods[0][0], periods[-1][1])
        for period in periods:
            _write_period(grain, *period)


@transaction.atomic
def correct_late(back: timedelta) -> bool:
    """Count closed hours again, from the first in which an allocation began or ended after it was closed.

    `back`: how far before the end of the last closed hour to check. Return whether an hour was corrected; then an event
    is recorded.
    """
    reach = HOURS.reach()
    if not reach:
        return False
    wait_long()
    start, end = max(reach[0], reach[1] - back), reach[1]
    late = _hours_that_differ(start, end)
    if not late:
        return False
    lock_rollups()
    before = _device_ms(late[0], end)
    _count_again(late[0], end)
    span = {"start": late[0].isoformat(), "end": end.isoformat()}
    figures: dict[str, Any] = {**span, "deviceMsBefore": before, "deviceMs": _device_ms(late[0], end)}
    record("CORRECT_USAGE", actor=SYSTEM, **figures)
    return True


def _hours_that_differ(start: datetime, end: datetime) -> list[datetime]:
    rows = HOURS.within(ClosedHour.objects.all(), start, end).values_list("hour", "starts", "ends")
    counted = {hour: figures for hour, *figures in rows}
    starts, ends = _counts("started_at", start, end), _counts("ended_at", start, end)
    return sorted(hour for hour, figures in counted.items() if figures != [starts[hour], ends[hour]])


def _device_ms(start: datetime, end: datetime) -> int:
    return sum(HOURS.within(ClosedHour.objects.all(), start, end).values_list("device_ms", flat=True))


def _record_close(unit: str, start: datetime, end: datetime) -> None:
    """Record that usage from `start` to `end` is closed: several hours, a day or a month."""
    subject, first, last = f"usage/{unit}", start.isoformat(), end.isoformat()
    record("CLOSE_USAGE", actor=SYSTEM, subject=subject, unit=unit, start=first, end=last)


def write_closed_hours(start: datetime, end: datetime) -> None:
    """Write the rows of hours that have none, by token and in all. The caller holds the lock on roll-ups."""
    totals, now = write_hours(start, end), db_now()
    starts, ends = _counts("started_at", start, end), _counts("ended_at", start, end)
    ClosedHour.objects.bulk_create(
        ClosedHour(
            hour=hour,
            until=hour + HOUR,
            starts=starts[hour],
            ends=ends[hour],
            closed_at=now,
            **_values(totals.get(hour, NOTHING)),
        )
        for hour in hours_of(start, end)
    )


def _counts(field: str, start: datetime, end: datetime) -> Counter[datetime]:
    """Return how many allocations began or ended in each hour of a range."""
    inside = Allocation.objects.filter(**{f"{field}__gte": start, f"{field}__lt": end}).order_by()
    return Counter(dict(inside.values_list(TruncHour(field, tzinfo=UTC)).annotate(Count("pk"))))


def _write_period(grain: Grain, start: datetime, end: datetime) -> None:
    values = _values(write_period(grain, start, end))
    grain.closed._default_manager.create(**{grain.name: start}, until=end, closed_at=db_now(), **values)


def _values(held: HeldDevices) -> dict[str, int]:
    return {"device_ms": held.device_ms, "minimum": held.minimum, "maximum": held.maximum}


def _next_hour() -> datetime | None:
    """Return the first hour that is not closed: after the last closed one, else that of the first allocation."""
    reach = HOURS.reach()
    if reach:
        return reach[1]
    start = first_start()
    return floor_hour(start) if start else None
