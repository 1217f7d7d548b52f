"""Usage over any range, exact to the millisecond; every range is [start, end), and is cut to now."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.models import Allocation
from tokens.models import Token
from usage.capacity import NONE, Capacity, capacity_of, total_devices
from usage.metering import NOTHING, Held, Times, percentage
from usage.models import ClosedHour
from usage.rollups import reading
from usage.rollups.cover import cover, cover_between
from usage.rollups.grains import GRAINS
from usage.rollups.measure import Key, Tokens

MANY = 2_000  # tokens
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before any allocation
SETTLE = timedelta(minutes=2)  # no transaction lives this long: what carries a time before it is committed by then


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """How many devices one token, by its number and value, held at once over a range, and its device-time."""

    token_id: int
    value: str
    held: Held


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage over a range: of all tokens together, of each, the devices there are, and those that there were."""

    total: Held
    tokens: list[TokenUsage]
    total_devices: int
    capacity: Capacity = NONE

    def percent(self, devices: int) -> Fraction:
        """Express a number of devices in percent of those there were, averaged while there were any; 0 of none."""
        return 100 * devices / self.capacity.devices if self.capacity.devices else Fraction(0)

    @property
    def average_percent(self) -> Fraction:
        """Express the device-time in percent of that which there was; 0 of none."""
        return percentage(self.total.device_ms, self.capacity.device_ms)


def usage_of(start: datetime, end: datetime, token: Token | None = None) -> UsageReport:
    """Measure a range, of one token or of all."""
    end = min(end, db_now())
    if start >= end:
        return UsageReport(NOTHING, [], total_devices())
    pieces = cover(start, end)
    by_token = reading.held_by_token(pieces, [token.pk] if token else None)
    nothing = Held(0, 0, 0, to_ms(end) - to_ms(start))
    total = by_token.get(token.pk, nothing) if token else reading.held_by_all(pieces)
    values = {token.pk: token.value} if token else _values_of(by_token)
    rows = [TokenUsage(pk, values[pk], by_token[pk]) for pk in sorted(by_token)]
    return UsageReport(total, rows, total_devices(), capacity_of(start, end))


def _values_of(ids: Collection[int]) -> dict[int, str]:
    """Read the values of tokens; of very many all are read: to name each would cost more."""
    tokens = Token.objects.filter(pk__in=ids) if len(ids) < MANY else Token.objects.all()
    return dict(tokens.order_by().values_list("pk", "value"))


def usage_by(start: datetime, end: datetime, fields: Sequence[str], tokens: Tokens = None) -> dict[Key, Times]:
    """Sum device-time by some fields of Kind (token, sda_model, group, device_model), of some tokens or of all.

    What held nothing is absent.
    """
    end = min(end, db_now())
    return reading.times_by(cover(start, end), fields, tokens) if start < end else {}


def usage_so_far(fields: Sequence[str]) -> dict[Key, Times]:
    """Sum all device-time up to SETTLE ago by some fields of Kind: sums that grow and never fall.

    Up to now they would: an end that is noted, but not yet committed, is earlier than the now until which its device
    seems to be held.
    """
    closed = [reach for grain in GRAINS.values() if (reach := grain.reach())]
    # Closed periods begin with the first allocation; to look before them would read every one there ever was.
    start = min((first for first, _last in closed), default=EARLIEST)
    return reading.times_by(cover(start, db_now() - SETTLE), fields)


class Billed(NamedTuple):
    """What a price is set for: a token's use of an SDA model on a device model."""

    token: int
    sda_model: int
    device_model: str


def device_ms_billed(start: datetime, end: datetime, tokens: Tokens = None) -> dict[Billed, int]:
    """Sum the device-milliseconds by what prices are set for, of some tokens (ids) or of all; nothing is absent."""
    return {Billed(*key): found.device_ms for key, found in usage_by(start, end, Billed._fields, tokens).items()}


def device_ms_of(tokens: Sequence[int], *starts: datetime) -> dict[int, tuple[int, ...]]:
    """Sum the device-milliseconds of some tokens up to now, since each of these times and, last, altogether.

    Tokens that held nothing are absent.
    """
    since = (*starts, EARLIEST)
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(since))
    bounds = [*sorted(since), db_now()]
    for start, pieces in zip(bounds, cover_between(bounds), strict=False):
        for (pk,), found in reading.times_by(pieces, ["token"], tokens).items():
            for place, begin in enumerate(since):
                sums[pk][place] += found.device_ms if begin <= start else 0
    return {pk: tuple(found) for pk, found in sums.items()}


def first_start() -> datetime | None:
    """Give when the first allocation began."""
    return Allocation.objects.order_by("started_at").values_list("started_at", flat=True).first()


def last_closed() -> ClosedHour | None:
    return ClosedHour.objects.order_by("-hour").first()
