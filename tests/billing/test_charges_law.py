"""Whatever was held, whatever it cost and however a range is cut: its money is that of its days, exactly."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from billing.models import Price
from billing.pricing import charge
from billing.queries.charges import priced_usage
from scheduler.models import Allocation
from tests import make
from tests.turns import by_turns
from usage.calendar import Unit, bounds
from usage.services import recount_hours

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]
DAY_MS = 86_400_000
# When clocks change, and how: not at all, by an hour, between the hours of UTC, at midnight.
ZONES = {
    "Asia/Seoul": datetime(2025, 3, 20, tzinfo=UTC),
    "Europe/Berlin": datetime(2025, 3, 20, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2025, 3, 25, tzinfo=UTC),
    "America/Havana": datetime(2025, 2, 25, tzinfo=UTC),
}
times = st.integers(0, 20 * DAY_MS)
rows = st.lists(st.tuples(times, st.integers(0, 9 * DAY_MS), st.integers(0, 2)), min_size=1, max_size=6)
days = st.lists(st.integers(-3, 25), min_size=2, max_size=5, unique=True).map(sorted)
amounts = st.decimals(0, 9999, places=6)
prices = st.lists(st.tuples(days, amounts), min_size=4, max_size=4)
cuts = st.lists(times, min_size=2, max_size=4).map(sorted)


@pytest.mark.parametrize("zone", by_turns(ZONES))
def test_money_is_that_of_the_days_however_a_range_is_cut(zone: str, settings: Any) -> None:
    settings.TIME_ZONE = zone
    begin = ZONES[zone]
    sdas = [make.sda() for _ in range(3)]
    devices = [node.devices.get() for node in (make.backend(1, device_model=f"M{number % 2}") for number in range(6))]

    @examples(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rows, prices, cuts, st.booleans())
    def law(world: Any, priced: Any, cut: Any, closed: bool) -> None:
        with transaction.atomic():
            for device, (start, length, whose) in zip(devices, world, strict=False):
                at = begin + timedelta(milliseconds=start)
                until = at + timedelta(milliseconds=length)
                sda = sdas[whose]
                Allocation.objects.create(
                    sda=sda, sda_model=sda.model, token=sda.token, device=device, started_at=at, ended_at=until
                )
            of: list[dict[str, Any]] = [{"sda_model": sda.model} for sda in sdas[:2]]
            for about, (turns, amount) in zip(
                [*of, {"device_model": "M0"}, {"device_model": "M1"}], priced, strict=True
            ):
                _set_prices(about, begin.date(), turns, amount)
            if closed:
                recount_hours(begin, begin + timedelta(days=12), actor=make.ACTOR)
            marks = [begin + timedelta(milliseconds=ms) for ms in cut]
            whole = _money(marks[0], marks[-1])
            assert whole == _by_day(marks[0], marks[-1], settings)
            parts: defaultdict[int, Fraction] = defaultdict(Fraction)
            for start, end in pairwise(marks):
                for token, money in _money(start, end).items():
                    parts[token] += money
            assert dict(parts) == whole
            transaction.set_rollback(True)

    law()


def _set_prices(about: dict[str, Any], first: date, turns: list[int], amount: Decimal) -> None:
    """Set a price that is another one from each of some days on, and none any more on the last."""
    for number, (start, end) in enumerate(pairwise(turns)):
        span = {"valid_from": first + timedelta(days=start), "valid_until": first + timedelta(days=end)}
        Price.objects.create(**about, amount=amount + number, **span)


def _money(start: datetime, end: datetime) -> dict[int, Fraction]:
    sums: defaultdict[int, Fraction] = defaultdict(Fraction)
    for billed, rate, used in priced_usage(start, end):
        sums[billed.token] += charge(used.device_ms, rate.amount) if rate else 0
    return dict(sums)


def _by_day(start: datetime, end: datetime, settings: Any) -> dict[int, Fraction]:
    """Price each local day of each allocation by itself."""
    zone = ZoneInfo(settings.TIME_ZONE)
    sums: defaultdict[int, Fraction] = defaultdict(Fraction)
    for one in Allocation.objects.select_related("device"):
        assert one.ended_at
        first, last = max(one.started_at, start), min(one.ended_at, end)
        if first >= last:
            continue
        edges = bounds(first, last, Unit.DAY, zone)
        for at, until in pairwise(edges):
            found = _valid(at.astimezone(zone).date(), one)
            ms = (until - at) // timedelta(milliseconds=1)
            sums[one.token_id] += Fraction(found.amount) * ms / 3_600_000 if found else 0
    return dict(sums)


def _valid(day: date, one: Allocation) -> Price | None:
    today = Price.objects.filter(valid_from__lte=day, valid_until__gt=day)
    own = today.filter(sda_model=one.sda_model).first()
    return own or today.filter(device_model=one.device.model).first()
