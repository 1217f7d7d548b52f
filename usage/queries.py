from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db.models import F, Q, QuerySet, Sum, Window
from django.db.models.functions import Lag

from backends.models import Device
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from tokens.models import Token
from usage.metering import HOUR_MS, Held, Interval, device_ms, device_ms_by_hour, held, percentage
from usage.models import ClosedHour, UsageHour

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


def usage_of(start: datetime, end: datetime, token: Token | None = None) -> UsageReport:
    """Measure a range, cut to now, from the allocations themselves; tokens that held nothing are left out."""
    start_ms, end_ms = to_ms(start), min(to_ms(end), to_ms(db_now()))
    found = list(intervals(start, end, token))
    by_token: dict[int, list[Interval[int]]] = {}
    for interval in found:
        by_token.setdefault(interval.key, []).append(interval)
    names = Token.objects.in_bulk(by_token)
    rows = [TokenUsage(names[pk], held(mine, start_ms, end_ms)) for pk, mine in sorted(by_token.items())]
    return UsageReport(held(found, start_ms, end_ms), rows, total_devices())


def intervals(
    start: datetime, end: datetime, token: Token | None = None, *, tokens: Sequence[int] | None = None
) -> Iterator[Interval[int]]:
    """Give what was held in a range, by token id, of one token, some or all; open allocations have no end."""
    inside = Q(started_at__lt=end) & (Q(ended_at__isnull=True) | Q(ended_at__gt=start))
    whose: dict[str, Any] = {"token": token} if token else {"token__in": tokens} if tokens is not None else {}
    chosen = Allocation.objects.filter(inside, **whose).order_by()
    for pk, begun, ended in chosen.values_list("token_id", "started_at", "ended_at").iterator(chunk_size=5000):
        yield Interval(pk, to_ms(begun), to_ms(ended) if ended else None)


def device_ms_of(tokens: Sequence[int], *starts: datetime) -> dict[int, tuple[int, ...]]:
    """Sum the device-milliseconds of some tokens up to now, since each of these full hours and, last, altogether.

    Three queries: closed hours from their roll-ups, what is not closed yet from the allocations. Tokens that held
    nothing are absent.
    """
    last, now = last_closed(), db_now()
    unclosed = last.hour + timedelta(milliseconds=HOUR_MS) if last else EARLIEST
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


def recomputed_hours(until: datetime) -> dict[tuple[int, int], int]:
    """Compute from the intervals alone what every (hour in ms, token id) up to a time must hold."""
    start = first_start()
    if start is None:
        return {}
    return device_ms_by_hour(intervals(start, until), to_ms(start), to_ms(until))
