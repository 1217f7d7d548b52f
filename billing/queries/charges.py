"""Device-time with its price: a range is cut, at midnight, where some price begins or ends."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from django.utils import timezone

from billing.pricing import Rate, charge, unrounded
from billing.queries.prices import price_list
from usage.calendar import midnight
from usage.metering import Times
from usage.queries import Billed, usage_by
from usage.rollups.measure import Tokens


class Priced(NamedTuple):
    """What one token used of one kind at one price; without a rate it has no price."""

    billed: Billed
    rate: Rate | None
    times: Times


def priced_usage(start: datetime, end: datetime, tokens: Tokens = None) -> Iterator[Priced]:
    """Return what was used, with its price, by some tokens (ids) or by all.

    As many queries as usage needs, for each piece between two changes of prices, however many tokens there are.
    """
    zone = timezone.get_default_timezone()
    first, last = timezone.localdate(start, zone), timezone.localdate(end, zone) + timedelta(days=1)
    prices = price_list(first, last)
    cuts = [(midnight(day, zone), day) for day in prices.changes(first, last)]
    starts = [(start, first), *((at, day) for at, day in cuts if start < at < end)]
    ends = [*(at for at, _day in starts[1:]), end]
    for (at, day), until in zip(starts, ends, strict=True):
        for key, times in usage_by(at, until, Billed._fields, tokens).items():
            billed = Billed(*key)
            yield Priced(billed, prices.rate(billed.sda_model, billed.device_model, day), times)


def charges(start: datetime, end: datetime, tokens: Tokens = None) -> dict[int, Decimal]:
    """Return the money, not rounded, of what each token used in [start, end); what used nothing is absent."""
    sums: defaultdict[int, Fraction] = defaultdict(Fraction)
    for billed, rate, times in priced_usage(start, end, tokens):
        sums[billed.token] += charge(times.device_ms, rate.amount) if rate else 0
    return {token: unrounded(money) for token, money in sums.items()}
