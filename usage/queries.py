"""Usage over any range, exact to the millisecond. Every range is [start, end) and is cut to now."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from core.clock import db_now, to_ms
from core.times import OLDEST
from scheduler.models import Allocation
from tokens.models import Token
from usage.capacity import NONE, Capacity, capacity_of, total_devices
from usage.metering import NOTHING, HeldDevices, Times
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
    held: HeldDevices


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage over a range: of all tokens together and of each, with the devices there are now and those there were."""

    total: HeldDevices
    tokens: list[TokenUsage]
    total_devices: int
    capacity: Capacity = NONE

    def percent(self, devices: int) -> Fraction:
        """Return a number of devices in percent of the average number there were; 0 when there were none."""
        return 100 * devices / self.capacity.devices if self.capacity.devices else Fraction(0)

    @property
    def average(self) -> Fraction:
        """Return how many devices were held on average since the first moment at which there were any."""
        return self.capacity.average(self.total.device_ms)

    @property
    def average_percent(self) -> Fraction:
        """Return the device-time in percent of what was available; 0 when nothing was."""
        return self.capacity.percent(self.total.device_ms)


def usage_of(start: datetime, end: datetime, token: Token | None = None) -> UsageReport:
    """Return the usage over a range, of one token or of all."""
    end = min(end, db_now())
    if start >= end:
        return UsageReport(NOTHING, [], total_devices())
    pieces = cover(start, end)
    by_token = reading.held_by_token(pieces, [token.pk] if token else None)
    nothing = HeldDevices(0, 0, 0, to_ms(end) - to_ms(start))
    total = by_token.get(token.pk, nothing) if token else reading.held_by_all(pieces)
    values = {token.pk: token.value} if token else _values_of(by_token)
    rows = [TokenUsage(pk, values.get(pk, ""), by_token[pk]) for pk in sorted(by_token)]
    return UsageReport(total, rows, total_devices(), capacity_of(start, end))


def _values_of(ids: Collection[int]) -> dict[int, str]:
    """Return the values of tokens; of very many by reading all tokens, because naming each would cost more."""
    tokens = Token.objects.filter(pk__in=ids) if len(ids) < MANY else Token.objects.all()
    return dict(tokens.order_by().values_list("pk", "value"))


def usage_by(start: datetime, end: datetime, fields: Sequence[str], tokens: Tokens = None) -> dict[Key, Times]:
    """Return device-time by some fields of UsageKind: token, sda_model, group, device_model.

    Keys that held nothing are absent. `tokens`: None for all.
    """
    end = min(end, db_now())
    return reading.times_by(cover(start, end), fields, tokens) if start < end else {}


def usage_so_far(fields: Sequence[str]) -> dict[Key, Times]:
    """Return all device-time up to SETTLE ago by some fields of UsageKind: sums that never fall.

    Up to now they could fall: an allocation whose end is written but not yet committed seems to be held until now,
    which is later than its end.
    """
    closed = [reach for grain in GRAINS.values() if (reach := grain.reach())]
    # Closed periods begin with the first allocation; a start before them would read every allocation there ever was.
    start = min((first for first, _last in closed), default=EARLIEST)
    return reading.times_by(cover(start, db_now() - SETTLE), fields)


class Billed(NamedTuple):
    """What a price is set for: the usage of an SDA model on a device model by a token."""

    token: int
    sda_model: int
    device_model: str


def billed_times(start: datetime, end: datetime, tokens: Tokens = None) -> dict[Billed, Times]:
    """Return the times by what prices are set for; keys that held nothing are absent. `tokens`: None for all."""
    return {Billed(*key): found for key, found in usage_by(start, end, Billed._fields, tokens).items()}


def device_ms_of(tokens: Sequence[int], *starts: datetime) -> dict[int, tuple[int, ...]]:
    """Return the device-milliseconds of some tokens up to now: since each of these times and, last, in all.

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
    """Return when the first allocation began."""
    sound = Allocation.objects.filter(started_at__gte=OLDEST)  # a damaged row must not begin the hours long ago
    return sound.order_by("started_at").values_list("started_at", flat=True).first()
