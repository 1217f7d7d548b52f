from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Lag

from backends.models import Device
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from tokens.models import Token
from usage.metering import Held, Interval, device_ms_by_hour, held, percentage
from usage.models import ClosedHour, UsageHour


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


def recomputed_hours(until: datetime) -> dict[tuple[int, int], int]:
    """Compute from the intervals alone what every (hour in ms, token id) up to a time must hold."""
    start = first_start()
    if start is None:
        return {}
    return device_ms_by_hour(intervals(start, until), to_ms(start), to_ms(until))
