from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum, Window
from django.db.models.functions import Lag

from backends.models import Device
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from tokens.models import Token
from usage.intervals import intervals, stays
from usage.metering import NOTHING, Held, Interval, device_ms, held, held_by_hour, percentage, times
from usage.models import ClosedHour, UsageHour

HOUR = timedelta(hours=1)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before any allocation


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """How many devices one token held at once over a range, and its device-time."""

    token: Token
    held: Held


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage over a range: of all tokens together, of each, and the devices there are."""

    total: Held
    tokens: list[TokenUsage]
    total_devices: int

    def percent(self, devices: int | Fraction) -> Fraction:
        """Express a number of devices in percent of all devices."""
        return percentage(devices, self.total_devices)


@dataclass(frozen=True, slots=True)
class Part:
    """What was held in a part of a range: by all tokens, or by the one that counts, and by each."""

    total: Held = NOTHING
    tokens: Mapping[int, Held] = field(default_factory=dict)

    def of(self, token: int) -> Held:
        """Give what a token held; one that is not here held nothing all the time."""
        return self.tokens.get(token, Held(0, 0, 0, self.total.span_ms))


def usage_of(start: datetime, end: datetime, token: Token | None = None) -> UsageReport:
    """Measure a range, cut to now: closed hours by their roll-up, the rest by the allocations; exactly the same."""
    end = min(end, db_now())
    parts = list(_parts(start, end, token)) if start < end else []
    pks = sorted({pk for part in parts for pk in part.tokens})
    names = Token.objects.in_bulk(pks)
    rows = [TokenUsage(names[pk], sum((part.of(pk) for part in parts), NOTHING)) for pk in pks]
    return UsageReport(sum((part.total for part in parts), NOTHING), rows, total_devices())


def _parts(start: datetime, end: datetime, token: Token | None) -> Iterator[Part]:
    inside = closed_hours(start, end)
    first, last = inside.aggregate(first=Min("hour"), last=Max("hour")).values()
    if first is None:
        yield _measured(start, end, token)
        return
    yield _measured(start, first, token)
    yield _rolled_up(first, last + HOUR, token)
    yield _measured(last + HOUR, end, token)


def _measured(start: datetime, end: datetime, token: Token | None) -> Part:
    """Measure a part by the allocations themselves."""
    if start >= end:
        return Part()
    span = to_ms(start), to_ms(end)
    found = list(intervals(start, end, token))
    by_token: defaultdict[int, list[Interval[int]]] = defaultdict(list)
    for interval in found:
        by_token[interval.key].append(interval)
    return Part(held(found, *span), {pk: held(mine, *span) for pk, mine in by_token.items()})


def _rolled_up(start: datetime, end: datetime, token: Token | None) -> Part:
    """Put a part together from closed hours; an hour without a row of a token is one in which it held nothing."""
    span, hours = to_ms(end) - to_ms(start), (end - start) // HOUR
    sums = (Sum("device_ms"), Min("minimum"), Max("maximum"), Count("hour"))
    rows = usage_hours(token).filter(hour__gte=start, hour__lt=end).order_by().values_list("token_id").annotate(*sums)
    tokens = {pk: Held(low if n == hours else 0, high, ms, span) for pk, ms, low, high, n in rows}
    if token:
        return Part(tokens.get(token.pk, Held(0, 0, 0, span)), tokens)
    ms, low, high, _hours = closed_hours(start, end).aggregate(*sums).values()
    return Part(Held(low, high, ms, span), tokens)


def closed_hours(start: datetime, end: datetime) -> QuerySet[ClosedHour]:
    """Give the closed hours that lie within a range; they follow each other without a gap."""
    return ClosedHour.objects.filter(hour__gte=start, hour__lte=end - HOUR).order_by()


def device_ms_of(tokens: Sequence[int], *starts: datetime) -> dict[int, tuple[int, ...]]:
    """Sum the device-milliseconds of some tokens up to now, since each of these full hours and, last, altogether.

    Three queries: closed hours from their roll-ups, what is not closed yet from the allocations. Tokens that held
    nothing are absent.
    """
    last, now = last_closed(), db_now()
    unclosed = last.hour + HOUR if last else EARLIEST
    since = {f"since_{number}": Sum("device_ms", filter=Q(hour__gte=start)) for number, start in enumerate(starts)}
    rolled = UsageHour.objects.filter(token__in=tokens, hour__lt=unclosed).order_by()
    sums_of = rolled.values("token").annotate(**since, altogether=Sum("device_ms"))
    rows = sums_of.values_list("token", *since, "altogether")
    found = {pk: [int(ms or 0) for ms in sums] for pk, *sums in rows}
    held_ms = list(intervals(unclosed, now, tokens=tokens))
    for place, start in enumerate((*starts, unclosed)):
        for pk, ms in device_ms(held_ms, to_ms(max(start, unclosed)), to_ms(now)).items():
            found.setdefault(pk, [0] * (len(starts) + 1))[place] += ms
    return {pk: tuple(sums) for pk, sums in found.items()}


class Billed(NamedTuple):
    """What a price is set for: a token's use of an SDA model on a device model."""

    token: int
    sda_model: int
    device_model: str


def device_ms_billed(start: datetime, end: datetime, token: Token | None = None) -> dict[Billed, int]:
    """Sum the device-milliseconds of [start, end), cut to now, by what prices are set for, of one token or all.

    Exact; what held nothing is absent.
    """
    end, sums = min(end, db_now()), Counter[Billed]()
    for kind, found in times(stays(start, end, token), to_ms(start), to_ms(end)).items():
        sums[Billed(kind.token, kind.sda_model, kind.device_model)] += found.device_ms
    return dict(sums)


def total_devices() -> int:
    return Device.objects.filter(backend__deleted_at__isnull=True).count()


def first_start() -> datetime | None:
    """Give when the first allocation began."""
    return Allocation.objects.order_by("started_at").values_list("started_at", flat=True).first()


def last_closed() -> ClosedHour | None:
    return ClosedHour.objects.order_by("-hour").first()


def usage_hours(token: Token | None = None) -> QuerySet[UsageHour]:
    hours = UsageHour.objects.select_related("token")
    return hours.filter(token=token) if token else hours


def overlapping() -> QuerySet[Allocation]:
    """Give allocations of a device that begin before the one before has ended. There can be none."""
    order = [F("started_at").asc(), F("pk").asc()]
    before = Allocation.objects.annotate(
        earlier=Window(Lag("pk"), partition_by=[F("device")], order_by=order),
        free_from=Window(Lag("ended_at"), partition_by=[F("device")], order_by=order),
    )
    return before.filter(Q(earlier__isnull=False) & (Q(free_from__isnull=True) | Q(started_at__lt=F("free_from"))))


def measured_hours(start: datetime, end: datetime) -> tuple[dict[tuple[int, int], Held], dict[int, Held]]:
    """Measure by the allocations what each (hour in ms, token) of a range held, and each hour in all."""
    found, span = list(intervals(start, end)), (to_ms(start), to_ms(end))
    everyone = (Interval(0, one.start_ms, one.end_ms, one.devices) for one in found)
    return held_by_hour(found, *span), {ms: total for (ms, _), total in held_by_hour(everyone, *span).items()}
