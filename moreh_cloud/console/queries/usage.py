"""The usage page: who held how many devices over a range, exact to the millisecond.

What the rows there are tell exactly: tokens, user groups (as they are now), backend groups (as jobs recorded them).
Not by SDA model: an SDA may be switched to another one, and what it held before does not say which it had then.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum

from backends.models import BackendGroup
from moreh_cloud.console.queries.extremes import extremes
from moreh_cloud.console.queries.spans import EVERYBODY, MILLISECOND, Span, overlapping, sums_by_token, timed
from tokens.models import Token, TokenGroup
from usage.metering import Held

MOST_ALLOCATIONS = 200_000
"""From more than these, lowest and highest are not measured: they need every single allocation of the range."""
FEW = 200  # rows of one page, not of a file
REST = -1  # the key of what belongs to none: no user group, or a reserved SDA, whose backend group is not recorded


class By(StrEnum):
    """What a report's rows stand for."""

    TOKEN = "token"  # noqa: S105
    GROUP = "group"
    BACKENDS = "backends"


KEYS = {By.TOKEN: "token", By.GROUP: "token__groups", By.BACKENDS: "job__group"}
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
    rows = timed(over.start, over.end, scope).values_list("job__group").annotate(Sum("time"))
    return {REST if group is None else group: time // MILLISECOND for group, time in rows}


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
    if not rows:
        return [], Held(0, 0, 0, over.ms)
    if overlapping(over.start, over.end, found.scope)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS:
        return list(rows), None
    theirs = extremes(over, found.scope & _only(found.by, rows), KEYS[found.by])
    measured_rows = [replace(row, held=_held(theirs.get(_key(row)), row.device_ms, over)) for row in rows]
    return measured_rows, _held(extremes(over, found.scope).get(0), found.total_ms, over)


def _only(by: By, rows: Sequence[Row]) -> Q:
    """Narrow to the holders of some rows, where they are few of many."""
    few = by == By.TOKEN and len(rows) <= FEW
    return Q(token__in=[row.key for row in rows]) if few else EVERYBODY


def _key(row: Row) -> int | None:
    return None if row.key == REST else row.key


def _held(found: tuple[int, int] | None, ms: int, over: Span) -> Held | None:
    """Put the figures together; an hour whose allocations are gone has no lowest and highest."""
    return Held(*found, ms, over.ms) if found else None


def named(by: By, rows: Sequence[Row]) -> list[Row]:
    """Add to each row whose it is, deleted ones too."""
    kinds: Mapping[By, QuerySet[Any]] = {
        By.TOKEN: Token.objects.only("description", "deleted_at"),
        By.GROUP: TokenGroup.objects.only("name", "deleted_at"),
        By.BACKENDS: BackendGroup.objects.only("name", "deleted_at"),
    }
    known = kinds[by].in_bulk([row.key for row in rows])
    return [replace(row, who=known.get(row.key)) for row in rows]


def jobs_of(over: Span, token: Token) -> Any:
    """Give what a token held in a range: its jobs and reserved SDAs, the most device-time (a timedelta) first."""
    mine = timed(over.start, over.end, Q(token=token)).values("job", "sda", "job__process_name")
    figures = {
        "held": Sum("time"),
        "devices": Count("device", distinct=True),
        "begun": Min("started_at"),
        "until": Max("ended_at"),
        "open": Count("pk", filter=Q(ended_at__isnull=True)),
    }
    return mine.annotate(**figures).order_by("-held", F("job").asc(nulls_last=True), "sda")
