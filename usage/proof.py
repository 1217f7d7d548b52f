"""The proof that usage adds up: everything recomputed from the allocations, every difference named."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from usage.intervals import intervals, stays
from usage.laws import broken_laws
from usage.metering import HOUR_MS, Held, Interval, Times, held, held_by_hour, times, times_by_hour
from usage.models import UsageHour
from usage.queries import first_start, usage_of
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain, Period

CHUNK = timedelta(days=1)  # hours that are in memory at once
Figures = tuple[int, int, int]
Book = Mapping[tuple[datetime, str], Figures]


@dataclass(slots=True)
class Proof:
    """What was looked at, and every difference that was found."""

    allocations: int = 0
    hours: int = 0
    days: int = 0
    months: int = 0
    device_ms: int = 0
    device_ms_since: int = 0
    differences: list[str] = field(default_factory=list)


def prove() -> Proof:
    """Recompute every closed hour, day and month from the intervals and check the laws of allocations."""
    hours, days, months = (grain.closed._default_manager.count() for grain in (HOURS, DAYS, MONTHS))
    proof = Proof(Allocation.objects.count(), hours, days, months)
    proof.device_ms = UsageHour.objects.aggregate(total=Sum("device_ms"))["total"] or 0
    proof.differences = [*_rolled_up(), *broken_laws()]
    proof.device_ms_since = _since_the_last_hour()
    return proof


def _since_the_last_hour() -> int:
    """Measure the device-milliseconds that no closed hour holds yet."""
    reach = HOURS.reach()
    start = reach[1] if reach else first_start()
    return usage_of(start, db_now()).total.device_ms if start else 0


def _rolled_up() -> Iterator[str]:
    """What each token held in each closed period, as a whole, by kind and in all, is what the allocations say."""
    for grain in (HOURS, DAYS, MONTHS):
        for period in _chunks() if grain == HOURS else grain.periods(*(grain.reach() or (db_now(), db_now()))):
            yield from _differences(grain, _stored(grain, period), _true(grain, period))


def _chunks() -> Iterator[Period]:
    """Cut the time from the first allocation, or row, to the last closed hour."""
    reach, first = HOURS.reach(), first_start()
    row = UsageHour.objects.order_by("hour").values_list("hour", flat=True).first()
    at = min((hour for hour in (reach and reach[0], row) if hour), default=None)
    end = max((hour for hour in (reach and reach[1], _after_the_last_row()) if hour), default=None)
    while at and end and first and at < end:
        yield at, min(at + CHUNK, end)
        at += CHUNK


def _after_the_last_row() -> datetime | None:
    row = UsageHour.objects.order_by("-hour").values_list("hour", flat=True).first()
    return row + timedelta(hours=1) if row else None


def _differences(grain: Grain, stored: Book, true: Book) -> Iterator[str]:
    for key in sorted(stored.keys() | true.keys()):
        there, wanted = stored.get(key, (0, 0, 0)), true.get(key, (0, 0, 0))
        if there != wanted:
            at, whose = key
            say = _kind_said if " as " in whose else _held_said
            yield f"{grain.name} {at:%Y-%m-%dT%H:%M}Z {whose}: stored {say(there)}, is {say(wanted)}"


def _held_said(figures: Figures) -> str:
    return "{} ms, {} to {} at once".format(*figures)


def _kind_said(figures: Figures) -> str:
    return "{} ms, {} of them preparing, {} reserved".format(*figures)


def _stored(grain: Grain, period: Period) -> Book:
    rows = grain.within(grain.closed._default_manager.all(), *period)
    book = {(at, "in all"): (ms, low, high) for at, ms, low, high in rows.values_list(grain.name, *HELD)}
    rows = grain.within(grain.usage._default_manager.all(), *period).values_list(grain.name, "token_id", *HELD)
    book |= {(at, f"token {pk}"): (ms, low, high) for at, pk, ms, low, high in rows}
    rows = grain.within(grain.detail._default_manager.all(), *period).values_list(grain.name, *KIND, *TIMES)
    return book | {(at, _kind(kind)): (ms, preparing, kept) for at, *kind, ms, preparing, kept in rows}


HELD = ("device_ms", "minimum", "maximum")
TIMES = ("device_ms", "preparing_ms", "reserved_ms")
KIND = ("token_id", "sda_model_id", "group_id", "device_model")


def _kind(kind: Any) -> str:
    return "token {} as SDA model {}, backend group {}, {}".format(*kind)


def _true(grain: Grain, period: Period) -> Book:
    """Measure by the plain arithmetic, whatever the roll-up was made with."""
    span = to_ms(period[0]), to_ms(period[1])
    found = list(intervals(*period))
    everybody = [Interval(0, one.start_ms, one.end_ms, one.devices) for one in found]
    kinds = stays(*period)
    if grain == HOURS:
        book = {(_hour(ms, period), f"token {pk}"): _held(at) for (ms, pk), at in held_by_hour(found, *span).items()}
        book |= {(_hour(ms, period), "in all"): _held(at) for (ms, _), at in held_by_hour(everybody, *span).items()}
        by_hour = times_by_hour(kinds, *span)
        return book | {(_hour(ms, period), _kind(kind)): _times(one) for (ms, kind), one in by_hour.items()}
    tokens: defaultdict[int, list[Interval[int]]] = defaultdict(list)
    for one in found:
        tokens[one.key].append(one)
    book = {(period[0], f"token {pk}"): _held(held(mine, *span)) for pk, mine in tokens.items()}
    book[period[0], "in all"] = _held(held(everybody, *span))
    return book | {(period[0], _kind(kind)): _times(one) for kind, one in times(kinds, *span).items()}


def _hour(ms: int, period: Period) -> datetime:
    return period[0] + timedelta(hours=(ms - to_ms(period[0])) // HOUR_MS)


def _held(found: Held) -> Figures:
    return found.device_ms, found.minimum, found.maximum


def _times(found: Times) -> Figures:
    return found.device_ms, found.preparing_ms, found.reserved_ms
