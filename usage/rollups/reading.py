"""Usage over any range: closed periods for its inside, the allocations for its ends.

The figures are exactly those of all allocations.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Min, Sum

from core.clock import to_ms
from usage.metering import HeldDevices, Times
from usage.rollups import measure
from usage.rollups.cover import Piece
from usage.rollups.measure import COLUMNS, Key, Tokens

SUMS = ", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in ("device_ms", "preparing_ms", "reserved_ms"))
# A period without a row of a token is one in which it held nothing.
HELD = """
SELECT token_id, CAST(sum(device_ms) AS bigint) AS device_ms,
    CASE WHEN count(*) < {rows} THEN 0 ELSE min(minimum) END AS minimum, max(maximum) AS maximum
FROM {table} WHERE {within} GROUP BY token_id
"""
HELD_IN_ALL = """
SELECT token_id, CAST(sum(device_ms) AS bigint) AS device_ms,
    CASE WHEN count(*) < {pieces} THEN 0 ELSE min(minimum) END AS minimum, max(maximum) AS maximum
FROM ({selects}) AS piece GROUP BY token_id
"""
TIMES = f"SELECT {{columns}}, {SUMS} FROM ({{selects}}) AS piece GROUP BY {{columns}}"  # noqa: S608
TIMES_OF_PIECE = "SELECT {columns}, device_ms, preparing_ms, reserved_ms FROM {table} WHERE {within}"


def held_by_token(pieces: Sequence[Piece], tokens: Tokens = None) -> dict[int, HeldDevices]:
    """Return how many devices each token held at once; a token that held nothing is absent."""
    closed, open_pieces = _apart(pieces)
    span = sum(_span(piece) for piece in pieces)
    rows = _fetch(*held_statement(closed, tokens)) if closed else []
    if not open_pieces:
        return {pk: HeldDevices(low, high, ms, span) for pk, ms, low, high in rows}
    found = {pk: (ms, low, high) for pk, ms, low, high in rows}
    measured = [measure.held_by_token(piece.start, piece.end, tokens) for piece in open_pieces]
    everybody = found.keys() | {pk for held in measured for pk in held}
    return {pk: _joined(found.get(pk), bool(closed), [held.get(pk) for held in measured], span) for pk in everybody}


def _joined(
    closed: tuple[int, int, int] | None, any_closed: bool, measured: Sequence[HeldDevices | None], span: int
) -> HeldDevices:
    if closed and not any(measured):  # most of many tokens hold nothing at this moment
        return HeldDevices(0, closed[2], closed[0], span)
    figures = [(one.device_ms, one.minimum, one.maximum) if one else (0, 0, 0) for one in measured]
    if any_closed:
        figures.append(closed or (0, 0, 0))
    ms, lows, highs = zip(*figures, strict=True)
    return HeldDevices(min(lows), max(highs), sum(ms), span)


def held_by_all(pieces: Sequence[Piece]) -> HeldDevices:
    """Return how many devices all tokens held at once."""
    closed, open_pieces = _apart(pieces)
    measured = [measure.held_by_all(piece.start, piece.end) for piece in open_pieces]
    return sum([*measured, *map(_closed_total, closed)], HeldDevices(0, 0, 0, 0))


def _closed_total(piece: Piece) -> HeldDevices:
    grain = piece.grain
    assert grain
    rows = grain.within(grain.closed._default_manager.all(), piece.start, piece.end)
    found = rows.aggregate(ms=Sum("device_ms"), low=Min("minimum"), high=Max("maximum"), n=Count("*"))
    low = found["low"] if found["n"] == len(piece.starts) else 0  # hours before the first allocation are not closed
    return HeldDevices(low, found["high"] or 0, found["ms"] or 0, _span(piece))


def times_by(pieces: Sequence[Piece], fields: Sequence[str], tokens: Tokens = None) -> dict[Key, Times]:
    """Return the times by some fields of UsageKind; keys that held nothing are absent."""
    closed, open_pieces = _apart(pieces)
    sums: defaultdict[Key, Times] = defaultdict(Times)
    for *key, ms, preparing, reserved in _fetch(*times_statement(closed, fields, tokens)) if closed else ():
        sums[tuple(key)] = Times(ms, preparing, reserved)
    for piece in open_pieces:
        for who, found in measure.times_by(piece.start, piece.end, fields, tokens).items():
            sums[who] += found
    return dict(sums)


def held_statement(pieces: Sequence[Piece], tokens: Tokens = None) -> tuple[str, list[Any]]:
    """Return the statement, with its values, for what each token held in pieces that are all closed."""
    selects, given = _selects(HELD, "usage", pieces, tokens)
    if len(pieces) == 1:
        return selects, given
    return HELD_IN_ALL.format(pieces=len(pieces), selects=selects), given


def times_statement(pieces: Sequence[Piece], fields: Sequence[str], tokens: Tokens = None) -> tuple[str, list[Any]]:
    """Return the statement, with its values, for the times by some fields in pieces that are all closed."""
    columns = ", ".join(COLUMNS[name] for name in fields)
    selects, given = _selects(TIMES_OF_PIECE, "detail", pieces, tokens, columns=columns)
    return TIMES.format(columns=columns, selects=selects), given


def _selects(template: str, kind: str, pieces: Sequence[Piece], tokens: Tokens, **names: str) -> tuple[str, list[Any]]:
    texts, given = [], []
    for piece in pieces:
        assert piece.grain
        table = getattr(piece.grain, kind)._meta.db_table
        within, values = _within(piece, tokens)
        texts.append(template.format(table=table, within=within, rows=len(piece.starts), **names))
        given += values
    return " UNION ALL ".join(texts), given


def _within(piece: Piece, tokens: Tokens) -> tuple[str, list[Any]]:
    """Return the condition on the rows of a piece, with its values.

    For one token each period is looked up by its key, so that no rows of other tokens are read.
    """
    assert piece.grain
    times = [connection.ops.adapt_datetimefield_value(at) for at in (piece.start, piece.end)]
    within = f"{piece.grain.name} >= %s AND {piece.grain.name} < %s"
    if tokens is None:
        return within, times
    if len(tokens) == 1:
        starts = [connection.ops.adapt_datetimefield_value(at) for at in piece.starts]
        return f"{piece.grain.name} IN ({', '.join(['%s'] * len(starts))}) AND token_id = %s", [*starts, *tokens]
    return f"{within} AND token_id IN ({', '.join(['%s'] * len(tokens)) or 'NULL'})", [*times, *tokens]


def _fetch(statement: str, given: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows: list[Any] = cursor.fetchall()
        return rows


def _apart(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    return [piece for piece in pieces if piece.grain], [piece for piece in pieces if not piece.grain]


def _span(piece: Piece) -> int:
    return to_ms(piece.end) - to_ms(piece.start)
