"""Usage over time: hour by hour, day by day or month by month of the installation's time zone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db.models import Sum

from usage.calendar import Unit
from usage.metering import Times
from usage.queries import usage_by
from usage.rollups.grains import GRAINS, Grain
from usage.rollups.measure import COLUMNS, Key, Tokens

Bounds = Sequence[datetime]
SUMS = ("device_ms", "preparing_ms", "reserved_ms")


def device_ms_between(bounds: Bounds, unit: Unit, tokens: Tokens = None) -> list[int]:
    """Return the device-milliseconds between each two neighbouring bounds; `tokens`: None for all."""
    if tokens is None:
        grain = GRAINS[unit]
        rows = grain.within(grain.closed._default_manager.all(), bounds[0], bounds[-1])
        closed = {(start, end): Times(ms) for start, end, ms in rows.values_list(grain.name, "until", "device_ms")}
        found: list[Mapping[Key, Times]] = [
            {(): closed[piece]} if piece in closed else usage_by(*piece, ["token"]) for piece in pairwise(bounds)
        ]
    else:
        found = usage_between(bounds, unit, ["token"], tokens)
    return [sum(times.device_ms for times in piece.values()) for piece in found]


def usage_between(
    bounds: Bounds, unit: Unit, fields: Sequence[str], tokens: Tokens = None
) -> list[Mapping[Key, Times]]:
    """Return device-time by some fields of UsageKind between each two neighbouring bounds.

    Closed periods are read in one query; each other piece, usually the first and the last, in queries of its own.
    """
    grain = GRAINS[unit]
    closed = set(grain.periods(bounds[0], bounds[-1]))
    whole = [piece for piece in pairwise(bounds) if piece in closed]
    known = _closed(grain, whole[0][0], whole[-1][1], fields, tokens) if whole else {}
    return [
        known.get(piece[0], {}) if piece in closed else usage_by(*piece, fields, tokens) for piece in pairwise(bounds)
    ]


def _closed(
    grain: Grain, start: datetime, end: datetime, fields: Sequence[str], tokens: Tokens
) -> Mapping[datetime, Mapping[Key, Times]]:
    rows: Any = grain.within(grain.detail._default_manager.all(), start, end)
    if tokens is not None:
        rows = rows.filter(token__in=tokens)
    columns = [COLUMNS[name] for name in fields]
    found: defaultdict[datetime, dict[Key, Times]] = defaultdict(dict)
    grouped = rows.values_list(grain.name, *columns).annotate(*(Sum(name) for name in SUMS))
    for at, *rest in grouped:
        found[at][tuple(rest[: len(columns)])] = Times(*rest[len(columns) :])
    return found
