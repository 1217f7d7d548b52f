"""What tokens owe for a month, line by line, and what issued statements have billed of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum
from django.utils import timezone

from billing.choices import StatementStatus
from billing.models import StatementLine
from billing.pricing import Rate, charge, rounded
from billing.queries.charges import priced_usage
from usage.calendar import Unit, after, midnight
from usage.intervals import overlapping
from usage.metering import Times
from usage.rollups.grains import HOURS
from usage.rollups.measure import Tokens

NOTHING = Decimal(0)
FINEST = Decimal("0.001")  # of any currency


class LineKind(NamedTuple):
    """What a line is about; without a price it costs nothing."""

    sda_model: int
    device_model: str
    price: int | None


@dataclass(frozen=True, slots=True)
class BillLine:
    """How long something was used, the price of a device-hour, and the money, rounded."""

    unit_price: Decimal | None
    times: Times
    amount: Decimal

    def __sub__(self, other: "BillLine") -> "BillLine":
        mine, theirs = self.times, other.times
        times = Times(
            mine.device_ms - theirs.device_ms,
            mine.preparing_ms - theirs.preparing_ms,
            mine.reserved_ms - theirs.reserved_ms,
        )
        price = other.unit_price if self.unit_price is None else self.unit_price
        return BillLine(price, times, self.amount - other.amount)

    def __bool__(self) -> bool:
        return self.times != Times() or self.amount != 0


Bill = Mapping[LineKind, BillLine]
FIGURES = ("device_ms", "preparing_ms", "reserved_ms", "amount")


def month_span(month: date) -> tuple[datetime, datetime]:
    """Return when the month of a day begins and ends, in the installation's time zone."""
    zone = timezone.get_default_timezone()
    start = midnight(month.replace(day=1), zone)
    return start, after(start + timedelta(hours=12), Unit.MONTH, zone)


def is_closed(start: datetime, end: datetime) -> bool:
    """Whether all hours of a range are closed, except those before the first closed one in which nothing was held."""
    reach = HOURS.reach()
    if reach is None or reach[1] < end:
        return False
    first = min(reach[0], end)
    return first <= start or not overlapping(start, first).exists()


def bills(start: datetime, end: datetime, digits: int, tokens: Tokens = None) -> dict[int, Bill]:
    """Return what some tokens (ids), or all, owe for a range; a token that used nothing is absent."""
    times: defaultdict[tuple[int, LineKind], Times] = defaultdict(Times)
    rates: dict[LineKind, Rate | None] = {}
    for billed, rate, used in priced_usage(start, end, tokens):
        kind = LineKind(billed.sda_model, billed.device_model, rate.id if rate else None)
        rates[kind] = rate
        times[billed.token, kind] += used
    found: defaultdict[int, dict[LineKind, BillLine]] = defaultdict(dict)
    for (token, kind), used in times.items():
        found[token][kind] = _line(used, rates[kind], digits)
    return dict(found)


def _line(times: Times, rate: Rate | None, digits: int) -> BillLine:
    """Price a line, and round it: the one place where money is rounded."""
    if rate is None:
        return BillLine(None, times, NOTHING)
    return BillLine(rate.amount, times, rounded(charge(times.device_ms, rate.amount), digits))


def billed(month: date, tokens: Tokens = None) -> dict[int, Bill]:
    """Return what issued statements of a month have billed, with their corrections, in one query."""
    whose = {} if tokens is None else {"statement__token__in": tokens}
    issued = {"statement__month": month, "statement__status": StatementStatus.ISSUED}
    lines = StatementLine.objects.filter(**issued, **whose).order_by()
    found: defaultdict[int, dict[LineKind, BillLine]] = defaultdict(dict)
    for token, *kind, price, ms, preparing, reserved, amount in lines.values_list(*WHAT).annotate(*map(Sum, FIGURES)):
        exact = amount.quantize(FINEST)  # SQLite adds amounts as floats
        found[token][LineKind(*kind)] = BillLine(price, Times(ms, preparing, reserved), exact)
    return dict(found)


WHAT = ("statement__token_id", "sda_model_id", "device_model", "price_id", "unit_price")


def differences(owed: Mapping[int, Bill], billed: Mapping[int, Bill]) -> Iterator[tuple[int, Bill]]:
    """Return the lines that are missing, or too much, of each token that has been billed; others are absent."""
    none = BillLine(None, Times(), NOTHING)
    for token, before in billed.items():
        now = owed.get(token, {})
        kinds: Sequence[LineKind] = sorted(before.keys() | now.keys(), key=in_order)
        lines = {kind: now.get(kind, none) - before.get(kind, none) for kind in kinds}
        if any(lines.values()):
            yield token, {kind: line for kind, line in lines.items() if line}


def in_order(kind: LineKind) -> tuple[int, str, int]:
    """Sort lines by model; of one model, the one without a price comes first."""
    return kind.sda_model, kind.device_model, kind.price or 0
