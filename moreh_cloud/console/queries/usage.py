"""The usage page: who held how many devices over a range, exact to the millisecond.

What the rows there are tell exactly: tokens, user groups (as they are now), backend groups (as jobs recorded them).
Not by SDA model: an SDA may be switched to another one, and what it held before does not say which it had then.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db.models import (
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, Least

from backends.models import BackendGroup
from moreh_cloud.console.queries.spans import EVERYBODY, Span, overlapping, stays, sums_by_token
from moreh_cloud.lib.clock import to_ms
from tokens.models import Token, TokenGroup
from usage.metering import Held, Interval, held

MOST_ALLOCATIONS = 100_000
"""From more than these, lowest and highest are not measured: they need every single allocation of the range."""
MILLISECOND = timedelta(milliseconds=1)
REST = -1  # the key of what belongs to none: no user group, or a reserved SDA, whose backend group is not recorded


class By(StrEnum):
    """What a report's rows stand for."""

    TOKEN = "token"  # noqa: S105
    GROUP = "group"
    BACKENDS = "backends"


Named = Token | TokenGroup | BackendGroup


@dataclass(frozen=True, slots=True)
class Row:
    """Usage of one holder (None is REST); `held` is None where lowest and highest are not measured."""

    key: int
    device_ms: int
    held: Held | None = None
    who: Named | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Usage over a range by holder, the most first. The rows without `twice_ms` are the total, always.

    `twice_ms` is what tokens in several user groups held, as often as it is counted again.
    """

    over: Span
    by: By
    scope: Q
    rows: Sequence[Row]
    total_ms: int
    twice_ms: int = 0


def report(over: Span, by: By, scope: Q = EVERYBODY) -> Report:
    """Sum a range by tokens, user groups or backend groups."""
    if by == By.BACKENDS:
        sums = sums_by_backend_group(over, scope)
        return Report(over, by, scope, _sorted(sums), sum(sums.values()))
    sums = sums_by_token(over, scope)
    total = sum(sums.values())
    if by == By.TOKEN:
        return Report(over, by, scope, _sorted(sums), total)
    groups: Counter[int] = Counter()
    for token, theirs in groups_of(sums).items():
        groups.update(dict.fromkeys(theirs, sums[token]))
    return Report(over, by, scope, _sorted(groups), total, sum(groups.values()) - total)


def _sorted(sums: Mapping[int, int]) -> list[Row]:
    return [Row(key, ms) for key, ms in sorted(sums.items(), key=lambda item: (-item[1], item[0])) if ms]


def sums_by_backend_group(over: Span, scope: Q = EVERYBODY) -> dict[int, int]:
    """Sum by the group in whose queue each job was; reserved SDAs, where it is not recorded, are REST's."""
    rows = _timed(over, scope).values_list("job__group").annotate(Sum("time"))
    return {REST if group is None else group: time // MILLISECOND for group, time in rows}


def _timed(over: Span, scope: Q) -> QuerySet[Any]:
    end = Value(over.end, DateTimeField())
    start = Value(over.start, DateTimeField())
    time = Least(Coalesce("ended_at", end), end) - Greatest("started_at", start)
    return overlapping(over.start, over.end, scope).annotate(time=ExpressionWrapper(time, DurationField()))


def groups_of(tokens: Collection[int]) -> Mapping[int, Sequence[int]]:
    """Give the live user groups of each token, [REST] for a token in none."""
    pairs = TokenGroup.objects.live().filter(tokens__isnull=False).order_by().values_list("tokens", "pk")
    found: defaultdict[int, list[int]] = defaultdict(list)
    for token, group in pairs:
        found[token].append(group)
    return {token: found.get(token) or [REST] for token in tokens}


def measured(found: Report, rows: Sequence[Row]) -> tuple[list[Row], Held | None]:
    """Add lowest and highest to some rows and to everybody's; neither where the range has too many allocations."""
    over = found.over
    if overlapping(over.start, over.end, found.scope)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS:
        return list(rows), None
    key = "job__group" if found.by == By.BACKENDS else "token"
    intervals = stays(over.start, over.end, found.scope, key)
    start, end = to_ms(over.start), to_ms(over.end)
    theirs = _by_row(found.by, intervals, {row.key for row in rows})
    return [replace(row, held=held(theirs[row.key], start, end)) for row in rows], held(intervals, start, end)


def _by_row(by: By, intervals: Sequence[Interval[Any]], wanted: Collection[int]) -> Mapping[int, list[Interval[Any]]]:
    groups = groups_of({interval.key for interval in intervals}) if by == By.GROUP else {}
    found: defaultdict[int, list[Interval[Any]]] = defaultdict(list)
    for interval in intervals:
        for key in groups.get(interval.key) or [REST if interval.key is None else interval.key]:
            if key in wanted:
                found[key].append(interval)
    return found


def named(by: By, rows: Sequence[Row]) -> list[Row]:
    """Add to each row whose it is, deleted ones too."""
    kinds: Mapping[By, QuerySet[Any]] = {
        By.TOKEN: Token.objects.defer("value", "env"),
        By.GROUP: TokenGroup.objects.all(),
        By.BACKENDS: BackendGroup.objects.all(),
    }
    known = kinds[by].in_bulk([row.key for row in rows])
    return [replace(row, who=known.get(row.key)) for row in rows]


def jobs_of(over: Span, token: Token) -> Any:
    """Give what a token held in a range: its jobs and reserved SDAs, the most device-time (a timedelta) first."""
    mine = _timed(over, Q(token=token)).values("job", "sda", "job__process_name")
    figures = {
        "held": Sum("time"),
        "devices": Count("device", distinct=True),
        "begun": Min("started_at"),
        "until": Max("ended_at"),
        "open": Count("pk", filter=Q(ended_at__isnull=True)),
    }
    return mine.annotate(**figures).order_by("-held", F("job").asc(nulls_last=True), "sda")
