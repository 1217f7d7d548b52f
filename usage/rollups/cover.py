"""Which closed periods cover a range, the longest first; for the rest the allocations are read."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from usage.calendar import HOUR, ceil_hour, floor_hour
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain, Period

SHORTEST_DAY, SHORTEST_MONTH = 22 * HOUR, 27 * 24 * HOUR
Inside = tuple[datetime, datetime, Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range: the closed periods of a grain that begin at `starts`, or without a grain an open part.

    Only the allocations tell what was held in an open part.
    """

    start: datetime
    end: datetime
    grain: Grain | None = None
    starts: Sequence[datetime] = ()


def cover(start: datetime, end: datetime) -> list[Piece]:
    """Return a range as pieces that follow each other, in at most three queries."""
    return cover_between([start, end])[0]


def cover_between(bounds: Sequence[datetime]) -> list[list[Piece]]:
    """Return the pieces between each two neighbouring bounds (rising), in at most three queries for all."""
    start, end = bounds[0], bounds[-1]
    known = [MONTHS.periods(start, end) if end - start >= SHORTEST_MONTH else []]
    known.append(DAYS.periods(start, end) if end - start >= SHORTEST_DAY else [])
    reach = HOURS.reach()
    if reach is None:
        return [[Piece(*between)] if between[0] < between[1] else [] for between in pairwise(bounds)]
    return [_fill(*between, known, reach) for between in pairwise(bounds)]


def _fill(start: datetime, end: datetime, known: Sequence[Sequence[Period]], reach: Period) -> list[Piece]:
    """Return the longest periods that lie inside, with shorter ones at both ends."""
    if start >= end:
        return []
    grain = (HOURS, DAYS, MONTHS)[len(known)]
    first, last, starts = _inside(start, end, known[0]) if known else _hours(start, end, reach)
    if not starts:
        return _fill(start, end, known[1:], reach) if known else [Piece(start, end)]
    inner = [Piece(first, last, grain, starts)]
    if not known:
        before, after = ([Piece(a, b)] if a < b else [] for a, b in ((start, first), (last, end)))
        return [*before, *inner, *after]
    return [*_fill(start, first, known[1:], reach), *inner, *_fill(last, end, known[1:], reach)]


def _inside(start: datetime, end: datetime, periods: Sequence[Period]) -> Inside:
    first = bisect_left(periods, (start, start))
    last = bisect_left(periods, (end, end))
    chosen = periods[first:last]
    return (chosen[0][0], chosen[-1][1], [at for at, _end in chosen]) if chosen else (start, start, ())


def _hours(start: datetime, end: datetime, reach: Period) -> Inside:
    first, last = max(ceil_hour(start), reach[0]), min(floor_hour(end), reach[1])
    return first, last, [first + number * HOUR for number in range((last - first) // HOUR)]
