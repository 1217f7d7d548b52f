"""The audit of usage: every closed period recomputed from the allocations, with a line for each difference."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db.models import Model, Sum

from core.clock import db_now, to_ms
from core.readable import out_of_range, unreadable
from core.times import OLDEST
from scheduler.models import Allocation, Job
from usage.calendar import floor_hour
from usage.intervals import intervals, stays
from usage.invariants import broken_invariants, orphans
from usage.metering import HOUR_MS, HeldDevices, Interval, Times, held, held_by_hour, times, times_by_hour
from usage.models import UsageHour
from usage.queries import first_start, usage_of
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain, Period

OURS = {
    *("accounts", "alerts", "answers", "backends", "bulk", "console", "events", "inventory", "liveness"),
    *("scheduler", "sda", "tokens", "usage"),
}
SUMMED = (
    Allocation,
    *(model for grain in (HOURS, DAYS, MONTHS) for model in (grain.closed, grain.usage, grain.detail)),
)
FIELDS = ("BigIntegerField", "PositiveIntegerField", "ForeignKey", "CharField")
CHUNK = timedelta(days=1)  # hours that are in memory at once
Figures = tuple[int, int, int]
FiguresByPeriod = Mapping[tuple[datetime, str], Figures]
"""By start of the period, and by whose figures they are."""


@dataclass(slots=True)
class UsageAudit:
    """How much was compared, and a line for each difference."""

    allocations: int = 0
    hours: int = 0
    days: int = 0
    months: int = 0
    device_ms: int = 0
    device_ms_since: int = 0
    differences: list[str] = field(default_factory=list)
    is_readable: bool = True


def audit_usage() -> UsageAudit:
    """Recompute every closed hour, day and month from the allocations, check the invariants, and return the result."""
    hours, days, months = (grain.closed._default_manager.count() for grain in (HOURS, DAYS, MONTHS))
    audit = UsageAudit(Allocation.objects.count(), hours, days, months)
    if wrong := [*_unreadable()] or [
        *_out_of_range()
    ]:  # with them the sums would be wrong, or their computation would never end
        audit.differences, audit.is_readable = wrong, False
        return audit
    audit.device_ms = UsageHour.objects.aggregate(total=Sum("device_ms"))["total"] or 0
    audit.differences = [*orphans((Job, *SUMMED)), *_rolled_up(), *broken_invariants()]
    audit.device_ms_since = _since_the_last_hour()
    return audit


def _unreadable() -> Iterator[str]:
    """Return a line for each time in our tables, and each value in the summed ones, that cannot be read."""
    yield from unreadable(_tables(), "DateTimeField")
    yield from unreadable(SUMMED, *FIELDS)


def _out_of_range() -> Iterator[str]:
    """Return a line for each time of an allocation or a period that is before all that is counted, or in the future."""
    return out_of_range(SUMMED, OLDEST, db_now() + CHUNK)


def _tables() -> list[type[Model]]:
    """Return our models without those of billing, which has an audit of its own."""
    return [model for model in apps.get_models() if model._meta.app_label in OURS and not model._meta.proxy]


def _since_the_last_hour() -> int:
    """Return the device-milliseconds since the end of the last closed hour."""
    reach = HOURS.reach()
    start = reach[1] if reach else first_start()
    return usage_of(start, db_now()).total.device_ms if start else 0


def _rolled_up() -> Iterator[str]:
    """Return the differences between the rows of closed periods and the allocations: by token, by kind and in all."""
    for grain in (HOURS, DAYS, MONTHS):
        for period in _chunks() if grain == HOURS else grain.periods(*(grain.reach() or (db_now(), db_now()))):
            yield from _differences(grain, _stored(grain, period), _true(grain, period))


def _chunks() -> Iterator[Period]:
    """Return the time from the first allocation, closed hour or row to the end of the last hour or row, in chunks."""
    reach, first = HOURS.reach(), first_start()
    row = UsageHour.objects.order_by("hour").values_list("hour", flat=True).first()
    at = min((hour for hour in (reach and reach[0], row, first and floor_hour(first)) if hour), default=None)
    end = max((hour for hour in (reach and reach[1], _after_the_last_row()) if hour), default=None)
    while at and end and first and at < end:
        yield at, min(at + CHUNK, end)
        at += CHUNK


def _after_the_last_row() -> datetime | None:
    row = UsageHour.objects.order_by("-hour").values_list("hour", flat=True).first()
    return row + timedelta(hours=1) if row else None


def _differences(grain: Grain, stored: FiguresByPeriod, true: FiguresByPeriod) -> Iterator[str]:
    for key in sorted(stored.keys() | true.keys()):
        there, wanted = stored.get(key, (0, 0, 0)), true.get(key, (0, 0, 0))
        if there != wanted:
            at, whose = key
            text = _times_text if " as " in whose else _held_text
            yield f"{grain.name} {at:%Y-%m-%dT%H:%M}Z {whose}: stored {text(there)}, is {text(wanted)}"


def _held_text(figures: Figures) -> str:
    return "{} ms, {} to {} at once".format(*figures)


def _times_text(figures: Figures) -> str:
    return "{} ms, {} of them preparing, {} reserved".format(*figures)


def _stored(grain: Grain, period: Period) -> FiguresByPeriod:
    rows = grain.within(grain.closed._default_manager.all(), *period)
    found = {(at, "in all"): (ms, low, high) for at, ms, low, high in rows.values_list(grain.name, *HELD)}
    rows = grain.within(grain.usage._default_manager.all(), *period).values_list(grain.name, "token_id", *HELD)
    found |= {(at, f"token {pk}"): (ms, low, high) for at, pk, ms, low, high in rows}
    rows = grain.within(grain.detail._default_manager.all(), *period).values_list(grain.name, *KIND, *TIMES)
    return found | {(at, _kind(kind)): (ms, preparing, reserved) for at, *kind, ms, preparing, reserved in rows}


HELD = ("device_ms", "minimum", "maximum")
TIMES = ("device_ms", "preparing_ms", "reserved_ms")
KIND = ("token_id", "sda_model_id", "group_id", "device_model")


def _kind(kind: Any) -> str:
    return "token {} as SDA model {}, backend group {}, {}".format(*kind)


def _true(grain: Grain, period: Period) -> FiguresByPeriod:
    """Return the figures of a period by interval arithmetic, on PostgreSQL too, where SQL makes the roll-ups."""
    span = to_ms(period[0]), to_ms(period[1])
    allocated = list(intervals(*period))
    everybody = [Interval(0, one.start_ms, one.end_ms, one.devices) for one in allocated]
    kinds = stays(*period)
    if grain == HOURS:
        by_token = held_by_hour(allocated, *span)
        found = {(_hour(ms, period), f"token {pk}"): _held(at) for (ms, pk), at in by_token.items()}
        found |= {(_hour(ms, period), "in all"): _held(at) for (ms, _), at in held_by_hour(everybody, *span).items()}
        by_hour = times_by_hour(kinds, *span)
        return found | {(_hour(ms, period), _kind(kind)): _times(one) for (ms, kind), one in by_hour.items()}
    tokens: defaultdict[int, list[Interval[int]]] = defaultdict(list)
    for one in allocated:
        tokens[one.key].append(one)
    found = {(period[0], f"token {pk}"): _held(held(mine, *span)) for pk, mine in tokens.items()}
    found[period[0], "in all"] = _held(held(everybody, *span))
    return found | {(period[0], _kind(kind)): _times(one) for kind, one in times(kinds, *span).items()}


def _hour(ms: int, period: Period) -> datetime:
    return period[0] + timedelta(hours=(ms - to_ms(period[0])) // HOUR_MS)


def _held(found: HeldDevices) -> Figures:
    return found.device_ms, found.minimum, found.maximum


def _times(found: Times) -> Figures:
    return found.device_ms, found.preparing_ms, found.reserved_ms
