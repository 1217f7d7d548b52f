"""Queries of the usage page: who held how many devices over a period, exact to the millisecond.

A user group counts the tokens that are in it now. A token in several groups counts in each of them; `repeated_ms` is
what is counted again.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum

from backends.models import BackendGroup
from console.queries.extremes import extremes
from console.queries.periods import Period, with_time
from sda.models import SdaModel
from tokens.models import Token, TokenGroup
from usage.intervals import KIND, overlapping
from usage.metering import HeldDevices, UnbilledTime
from usage.queries import usage_by
from usage.rollups import reading
from usage.rollups.cover import cover
from usage.rollups.measure import Tokens
from usage.unbilled_time import unbilled_times, waiting

MOST_ALLOCATIONS = 200_000
"""With more allocations, lowest and highest of groups and models are left out, because they need every allocation."""
UNGROUPED = -1  # the key of tokens that are in no user group


class By(StrEnum):
    """What a report's rows stand for."""

    TOKEN = "token"  # noqa: S105
    GROUP = "group"
    BACKENDS = "backends"
    MODELS = "models"
    DEVICES = "devices"


FIELDS = {By.BACKENDS: "group", By.MODELS: "sda_model", By.DEVICES: "device_model"}
Holder = Token | TokenGroup | BackendGroup | SdaModel | str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Usage of one holder (None: it has no name). `held` is None if lowest and highest are not measured."""

    key: int | str
    device_ms: int
    held: HeldDevices | None = None
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Usage over a period by holder, the most first. The sum of the rows is `total_ms` + `repeated_ms`.

    `repeated_ms` is what the rows count again because tokens are in several user groups.
    """

    period: Period
    by: By
    tokens: Tokens
    rows: Sequence[UsageRow]
    total_ms: int
    repeated_ms: int = 0


def usage_report(period: Period, by: By, tokens: Tokens = None) -> Report:
    """Return the usage of some tokens, or of all, over a period, by what `by` names."""
    if by in FIELDS:
        found = usage_by(period.start, period.end, [FIELDS[by]], tokens)
        sums = {key: times.device_ms for (key,), times in found.items()}
        return Report(period, by, tokens, _sorted(sums), sum(sums.values()))
    held = reading.held_by_token(cover(period.start, period.end), tokens)
    total = sum(one.device_ms for one in held.values())
    if by == By.TOKEN:
        rows = [replace(row, held=held[int(row.key)]) for row in _sorted({pk: held[pk].device_ms for pk in held})]
        return Report(period, by, tokens, rows, total)
    groups: Counter[int] = Counter()
    for token, theirs in user_groups_of(held).items():
        groups.update(dict.fromkeys(theirs, held[token].device_ms))
    return Report(period, by, tokens, _sorted(groups), total, sum(groups.values()) - total)


def _sorted(sums: Mapping[Any, int]) -> list[UsageRow]:
    return [UsageRow(key, ms) for key, ms in sorted(sums.items(), key=lambda item: (-item[1], item[0])) if ms]


def user_groups_of(tokens: Collection[int]) -> Mapping[int, Sequence[int]]:
    """Return the live user groups of each token, [UNGROUPED] for a token in none."""
    pairs = TokenGroup.objects.live().filter(tokens__isnull=False).order_by().values_list("tokens", "pk")
    found: defaultdict[int, list[int]] = defaultdict(list)
    for token, group in pairs:
        found[token].append(group)
    return {token: found.get(token) or [UNGROUPED] for token in tokens}


def with_extremes(found: Report, rows: Sequence[UsageRow]) -> tuple[list[UsageRow], HeldDevices | None]:
    """Return some rows, and the sum of all, with lowest and highest.

    They come from roll-ups or from the allocations. With more than MOST_ALLOCATIONS they are left out.
    """
    period = found.period
    if not rows:
        return [], HeldDevices(0, 0, 0, period.ms)
    if found.by == By.TOKEN and (found.tokens is None or len(found.tokens) == 1):
        alone = rows[0].held if found.tokens else None
        return list(rows), alone or reading.held_by_all(cover(period.start, period.end))
    if overlapping(period.start, period.end, found.tokens)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS:
        return list(rows), None
    everybody = _held(extremes(period, found.tokens).get(0), found.total_ms, period)
    if found.by == By.TOKEN:
        return list(rows), everybody
    theirs = extremes(period, found.tokens, F("token__groups") if found.by == By.GROUP else KIND[FIELDS[found.by]])
    return [replace(row, held=_held(theirs.get(_key(row)), row.device_ms, period)) for row in rows], everybody


def unbilled_of(found: Report) -> dict[int, UnbilledTime] | None:
    """Return by token how long jobs waited and devices were cleaned; None with more than MOST_ALLOCATIONS jobs."""
    scope = (found.period.start, found.period.end, found.tokens)
    return None if waiting(*scope)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS else unbilled_times(*scope)


def _key(row: UsageRow) -> int | str | None:
    return None if row.key == UNGROUPED else row.key


def _held(found: tuple[int, int] | None, ms: int, period: Period) -> HeldDevices | None:
    """Return the figures; None without lowest and highest, because the allocations of that time are deleted."""
    return HeldDevices(*found, ms, period.ms) if found else None


def with_names(by: By, rows: Sequence[UsageRow]) -> list[UsageRow]:
    """Return the rows with the objects that they stand for, deleted ones too."""
    kinds: Mapping[By, QuerySet[Any]] = {
        By.TOKEN: Token.objects.only("description", "deleted_at"),
        By.GROUP: TokenGroup.objects.only("name", "deleted_at"),
        By.BACKENDS: BackendGroup.objects.only("name", "deleted_at"),
        By.MODELS: SdaModel.objects.only("name", "deleted_at"),
    }
    if by == By.DEVICES:
        return [replace(row, holder=str(row.key) or None) for row in rows]
    known = kinds[by].in_bulk([row.key for row in rows])
    return [replace(row, holder=known.get(row.key)) for row in rows]


def jobs_of(period: Period, token: Token) -> Any:
    """Return the jobs and reserved SDAs of a token in a period, the most device-time (a timedelta) first."""
    mine = with_time(period.start, period.end, Q(token=token)).values("job", "sda", "job__process_name")
    figures = {
        "held": Sum("time"),
        "devices": Count("device", distinct=True),
        "begun": Min("started_at"),
        "until": Max("ended_at"),
        "open": Count("pk", filter=Q(ended_at__isnull=True)),
    }
    return mine.annotate(**figures).order_by("-held", F("job").asc(nulls_last=True), "sda")
