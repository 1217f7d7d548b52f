"""The lowest and the highest number of devices held at once, computed by the database from every change.

Roll-ups have these numbers for each token and for all together, not for groups or models. So this query reads all
allocations of the period.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Expression, F, Value

from console.queries.periods import Period
from usage.intervals import overlapping
from usage.rollups.measure import Tokens

Extremes = Mapping[Any, tuple[int, int]]
# The sum at a time includes every change at that time (RANGE is the default). So two allocations are not counted
# together if one ends when the other begins.
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


def extremes(period: Period, tokens: Tokens = None, key: Expression | F | None = None) -> Extremes:
    """Return lowest and highest of each holder by a key, or of all together under the key 0, in one query.

    A holder that held nothing is absent.
    """
    rows = overlapping(period.start, period.end, tokens).annotate(holder=key or Value(0))
    base, values = rows.values_list("holder", "started_at", "ended_at").query.sql_with_params()
    start, end = (connection.ops.adapt_datetimefield_value(at) for at in (period.start, period.end))
    with connection.cursor() as cursor:
        cursor.execute(LEVELS.format(rows=base), [*values, start, start, end, start])
        return {holder: (int(lowest), int(highest)) for holder, lowest, highest in cursor.fetchall()}
