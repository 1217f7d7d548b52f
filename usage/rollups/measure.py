"""What was held in a range by the allocations: one statement on PostgreSQL, interval arithmetic elsewhere.

Both return the same figures to the millisecond; the statement is many times faster for many allocations.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from core.clock import to_ms
from core.postgresql import is_postgresql
from usage.intervals import intervals, stays
from usage.metering import HeldDevices, Interval, Times, held, times
from usage.rollups.statements import HELD, KINDS, LEVELS

Tokens = Sequence[int] | None  # ids of tokens; None for all
Key = tuple[Any, ...]


def held_by_token(start: datetime, end: datetime, tokens: Tokens = None) -> dict[int, HeldDevices]:
    """Return how many devices each token held at once; a token that held nothing is absent."""
    if is_postgresql():
        return dict(_levels(start, end, tokens, "token_id"))
    by_token: defaultdict[int, list[Interval[int]]] = defaultdict(list)
    for interval in intervals(start, end, tokens=tokens):
        by_token[interval.key].append(interval)
    measured = ((pk, held(mine, to_ms(start), to_ms(end))) for pk, mine in by_token.items())
    return {pk: found for pk, found in measured if found.maximum}


def held_by_all(start: datetime, end: datetime, tokens: Tokens = None) -> HeldDevices:
    """Return how many devices all tokens, or some, held at once together."""
    if is_postgresql():
        nothing = HeldDevices(0, 0, 0, to_ms(end) - to_ms(start))
        return next((found for _who, found in _levels(start, end, tokens, "0")), nothing)
    return held(intervals(start, end, tokens=tokens), to_ms(start), to_ms(end))


def times_by(start: datetime, end: datetime, fields: Sequence[str], tokens: Tokens = None) -> dict[Key, Times]:
    """Return the times by some fields of UsageKind; keys that held nothing are absent."""
    if is_postgresql():
        statement = f"WITH {HELD} {KINDS}"
        rows = run(statement, start, end, tokens=tokens, columns=", ".join(COLUMNS[name] for name in fields))
        return {tuple(row[1:-3]): Times(*row[-3:]) for row in rows}
    sums: defaultdict[Key, Times] = defaultdict(Times)
    for kind, found in times(stays(start, end, tokens), to_ms(start), to_ms(end)).items():
        sums[tuple(getattr(kind, name) for name in fields)] += found
    return dict(sums)


COLUMNS: Mapping[str, str] = {
    "token": "token_id",
    "sda_model": "sda_model_id",
    "group": "group_id",
    "device_model": "device_model",
}


def _levels(start: datetime, end: datetime, tokens: Tokens, who: str) -> list[tuple[int, HeldDevices]]:
    statement = f"WITH {HELD}, {LEVELS} SELECT who, minimum, maximum, device_ms FROM held_at_once"  # noqa: S608
    rows = run(statement, start, end, tokens=tokens, name="held_at_once", who=who)
    span = to_ms(end) - to_ms(start)
    return [(who, HeldDevices(low, high, ms, span)) for who, low, high, ms in rows]


def run(
    statement: str, start: datetime, end: datetime, *, tokens: Tokens = None, width: int = 0, **names: str
) -> list[Any]:
    """Run a statement made from the templates in `statements` on a range; return its rows.

    `width`: cut the range into pieces of so many ms. `names`: what to put into the placeholders of the templates.
    """
    span = to_ms(end) - to_ms(start)
    whose = "" if tokens is None else "AND a.token_id = ANY(%(tokens)s)"
    given: dict[str, Any] = {"start": start, "end": end, "zero": to_ms(start), "span": span, "width": width or span}
    with connection.cursor() as cursor:
        cursor.execute(statement.format(whose=whose, **names), {**given, "tokens": list(tokens or ())})
        rows: list[Any] = cursor.fetchall()
        return rows
