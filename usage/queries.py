from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum, Window
from django.db.models.functions import Lag

from backends.models import Device
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from tokens.models import Token
from usage.metering import NOTHING, Held, Interval, held, held_by_hour, percentage
from usage.models import ClosedHour, UsageHour

HOUR = timedelta(hours=1)


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
    names = Token.objects.only("value", "description").in_bulk(pks)
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


def intervals(start: datetime, end: datetime, token: Token | None = None) -> Iterator[Interval[int]]:
    """Give what was held in a range, by token id; open allocations have no end."""
    inside = Q(started_at__lt=end) & (Q(ended_at__isnull=True) | Q(ended_at__gt=start))
    chosen = Allocation.objects.filter(inside, **({"token": token} if token else {})).order_by()
    for pk, begun, ended in chosen.values_list("token_id", "started_at", "ended_at").iterator(chunk_size=5000):
        yield Interval(pk, to_ms(begun), to_ms(ended) if ended else None)


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
