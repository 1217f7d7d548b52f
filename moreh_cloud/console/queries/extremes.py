"""The lowest and the highest number of devices held at once: every change of it is looked at, in the database.

Roll-ups tell it of each token and of all together, not of groups or models. So all allocations of the range are read.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Expression, F, Value

from moreh_cloud.console.queries.spans import Span
from usage.intervals import overlapping
from usage.rollups.measure import Tokens

Extremes = Mapping[Any, tuple[int, int]]
# The sum at a time takes in every change of that very time (RANGE is the default), so what ends as another begins is
# never counted beside it.
LEVELS = """
WITH held(holder, since, until) AS ({rows}),
change(holder, at, devices) AS (
    SELECT holder, CASE WHEN since < %s THEN %s ELSE since END, 1 FROM held
    UNION ALL SELECT holder, until, -1 FROM held WHERE until < %s
    UNION ALL SELECT DISTINCT holder, %s, 0 FROM held
),
level AS (SELECT holder, SUM(devices) OVER (PARTITION BY holder ORDER BY at) AS devices FROM change)
SELECT holder, MIN(devices), MAX(devices) FROM level GROUP BY holder
"""


def extremes(over: Span, tokens: Tokens = None, key: Expression | F | None = None) -> Extremes:
    """Give lowest and highest of each holder by a key, or under 0 those of all together, in one query.

    Who held nothing is absent.
    """
    rows = overlapping(over.start, over.end, tokens).annotate(holder=key or Value(0))
    base, values = rows.values_list("holder", "started_at", "ended_at").query.sql_with_params()
    start, end = (connection.ops.adapt_datetimefield_value(at) for at in (over.start, over.end))
    with connection.cursor() as cursor:
        cursor.execute(LEVELS.format(rows=base), [*values, start, start, end, start])
        return {holder: (int(lowest), int(highest)) for holder, lowest, highest in cursor.fetchall()}
