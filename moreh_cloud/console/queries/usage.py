"""The usage page: who held how many devices over a range, exact to the millisecond.

User groups are those that tokens are in now; a token in several counts in each, and what is counted again is told.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum

from backends.models import BackendGroup
from moreh_cloud.console.queries.extremes import extremes
from moreh_cloud.console.queries.spans import Span, timed
from sda.models import SdaModel
from tokens.models import Token, TokenGroup
from usage.beside import beside, waiting
from usage.intervals import KIND, overlapping
from usage.metering import Beside, Held
from usage.queries import usage_by
from usage.rollups import reading
from usage.rollups.cover import cover
from usage.rollups.measure import Tokens

MOST_ALLOCATIONS = 200_000
"""From more than these, lowest and highest of groups and models are not measured: they need every single one."""
REST = -1  # the key of tokens that are in no user group


class By(StrEnum):
    """What a report's rows stand for."""

    TOKEN = "token"  # noqa: S105
    GROUP = "group"
    BACKENDS = "backends"
    MODELS = "models"
    DEVICES = "devices"


FIELDS = {By.BACKENDS: "group", By.MODELS: "sda_model", By.DEVICES: "device_model"}
Named = Token | TokenGroup | BackendGroup | SdaModel | str


@dataclass(frozen=True, slots=True)
class Row:
    """Usage of one holder (None is REST); `held` is None where lowest and highest are not measured."""

    key: int | str
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
    tokens: Tokens
    rows: Sequence[Row]
    total_ms: int
    twice_ms: int = 0


def report(over: Span, by: By, tokens: Tokens = None) -> Report:
    """Sum a range by tokens, user groups, backend groups, SDA models or device models, of some tokens or of all."""
    if by in FIELDS:
        found = usage_by(over.start, over.end, [FIELDS[by]], tokens)
        sums = {key: times.device_ms for (key,), times in found.items()}
        return Report(over, by, tokens, _sorted(sums), sum(sums.values()))
    held = reading.held_by_token(cover(over.start, over.end), tokens)
    total = sum(one.device_ms for one in held.values())
    if by == By.TOKEN:
        rows = [replace(row, held=held[int(row.key)]) for row in _sorted({pk: held[pk].device_ms for pk in held})]
        return Report(over, by, tokens, rows, total)
    groups: Counter[int] = Counter()
    for token, theirs in groups_of(held).items():
        groups.update(dict.fromkeys(theirs, held[token].device_ms))
    return Report(over, by, tokens, _sorted(groups), total, sum(groups.values()) - total)


def _sorted(sums: Mapping[Any, int]) -> list[Row]:
    return [Row(key, ms) for key, ms in sorted(sums.items(), key=lambda item: (-item[1], item[0])) if ms]


def groups_of(tokens: Collection[int]) -> Mapping[int, Sequence[int]]:
    """Give the live user groups of each token, [REST] for a token in none."""
    pairs = TokenGroup.objects.live().filter(tokens__isnull=False).order_by().values_list("tokens", "pk")
    found: defaultdict[int, list[int]] = defaultdict(list)
    for token, group in pairs:
        found[token].append(group)
    return {token: found.get(token) or [REST] for token in tokens}


def measured(found: Report, rows: Sequence[Row]) -> tuple[list[Row], Held | None]:
    """Add lowest and highest to some rows and to everybody's, where roll-ups or not too many allocations tell them."""
    over = found.over
    if not rows:
        return [], Held(0, 0, 0, over.ms)
    if found.by == By.TOKEN and (found.tokens is None or len(found.tokens) == 1):
        alone = rows[0].held if found.tokens else None
        return list(rows), alone or reading.held_by_all(cover(over.start, over.end))
    if overlapping(over.start, over.end, found.tokens)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS:
        return list(rows), None
    everybody = _held(extremes(over, found.tokens).get(0), found.total_ms, over)
    if found.by == By.TOKEN:
        return list(rows), everybody
    theirs = extremes(over, found.tokens, F("token__groups") if found.by == By.GROUP else KIND[FIELDS[found.by]])
    return [replace(row, held=_held(theirs.get(_key(row)), row.device_ms, over)) for row in rows], everybody


def not_billed(found: Report) -> dict[int, Beside] | None:
    """Tell by token how long jobs waited and devices were cleaned, where not too many jobs tell it."""
    asked = (found.over.start, found.over.end, found.tokens)
    return None if waiting(*asked)[: MOST_ALLOCATIONS + 1].count() > MOST_ALLOCATIONS else beside(*asked)


def _key(row: Row) -> int | str | None:
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
        By.MODELS: SdaModel.objects.only("name", "deleted_at"),
    }
    if by == By.DEVICES:
        return [replace(row, who=str(row.key) or None) for row in rows]
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
