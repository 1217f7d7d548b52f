"""How many are held at once over time. The database reads every change and returns only pieces."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from core.clock import to_ms
from usage.metering import HeldDevices

# A bound counts as a change by 0, so that no step lies in two pieces. The number of bounds so far numbers the pieces.
PIECES = """
WITH held(since, until) AS ({rows}),
change(at, many, bound) AS (
    SELECT at, SUM(many), SUM(bound) FROM (
        SELECT CASE WHEN since < %s THEN %s ELSE since END AS at, 1 AS many, 0 AS bound FROM held
        UNION ALL SELECT until, -1, 0 FROM held WHERE until < %s
        UNION ALL SELECT at, 0, 1 FROM ({bounds}) bounds
    ) changes GROUP BY at
),
level AS (
    SELECT CAST(SUM(many) OVER past AS bigint) AS many, SUM(bound) OVER past AS piece, at,
        LEAD(at, 1, %s) OVER past AS next FROM change WINDOW past AS (ORDER BY at)
)
SELECT MIN(many), MAX(many), SUM(many * {length}) FROM level GROUP BY piece ORDER BY piece
"""


def pieces_between(rows: QuerySet[Any, Any], bounds: Sequence[datetime]) -> list[HeldDevices]:
    """Return lowest, highest and sum of each piece between neighbouring bounds, in one query.

    The rows are pairs of start and end (None while it lasts) that overlap the range.
    """
    held, values = rows.order_by().query.sql_with_params()
    length, _none = connection.ops.subtract_temporals("DateTimeField", ("next", ()), ("at", ()))
    first, *_inner, last = cuts = [connection.ops.adapt_datetimefield_value(at) for at in bounds]
    marks = " UNION ALL ".join(["SELECT %s AS at"] * (len(cuts) - 1))
    with connection.cursor() as cursor:
        statement = PIECES.format(rows=held, bounds=marks, length=length)
        cursor.execute(statement, [*values, first, first, last, *cuts[:-1], last])
        found = cursor.fetchall()
    spans = (to_ms(end) - to_ms(start) for start, end in pairwise(bounds))
    return [
        HeldDevices(int(low), int(high), _ms(time), span) for (low, high, time), span in zip(found, spans, strict=True)
    ]


def _ms(time: Any) -> int:
    """Return a duration of the database in ms. SQLite returns microseconds."""
    return int(time // timedelta(milliseconds=1) if isinstance(time, timedelta) else time // 1000)
