"""The limit beside us: the same hours by plain SQL in one statement, and plain sums of roll-ups."""

import time
from typing import Any

from django.db import connection

TABLES = """
CREATE TABLE plain_usage (hour timestamptz, token_id bigint, device_ms bigint, minimum int, maximum int,
    PRIMARY KEY (hour, token_id));
CREATE TABLE plain_detail (hour timestamptz, token_id bigint, sda_model_id bigint, group_id bigint,
    device_model varchar(64), device_ms bigint, preparing_ms bigint, reserved_ms bigint,
    PRIMARY KEY (hour, token_id, sda_model_id, group_id, device_model));
"""
HOURS = """
WITH piece AS (
    SELECT a.token_id, a.sda_model_id, a.group_id, d.model, a.ready_at, a.job_id, h AS hour,
        greatest(a.started_at, h) AS since, least(a.ended_at, h + interval '1 hour') AS until
    FROM scheduler_allocation a JOIN backends_device d ON d.id = a.device_id,
        generate_series(date_trunc('hour', a.started_at), a.ended_at, interval '1 hour') AS h
    WHERE h < a.ended_at AND a.started_at < a.ended_at
),
details AS (
    INSERT INTO plain_detail
    SELECT hour, token_id, sda_model_id, group_id, model, (sum(extract(epoch FROM until - since)) * 1000)::bigint,
        (sum(CASE WHEN job_id IS NULL THEN 0 ELSE
            extract(epoch FROM greatest(least(ready_at, until) - since, interval '0')) END) * 1000)::bigint,
        (sum(CASE WHEN job_id IS NULL THEN extract(epoch FROM until - since) ELSE 0 END) * 1000)::bigint
    FROM piece GROUP BY 1, 2, 3, 4, 5
),
change AS (
    SELECT token_id, hour, since AS at, 1 AS n FROM piece
    UNION ALL SELECT token_id, hour, until, -1 FROM piece WHERE until < hour + interval '1 hour'
    UNION ALL SELECT DISTINCT token_id, hour, hour, 0 FROM piece
),
level AS (SELECT token_id, hour, sum(n) OVER (PARTITION BY token_id, hour ORDER BY at) AS n FROM change),
extreme AS (SELECT token_id, hour, min(n) AS low, max(n) AS high FROM level GROUP BY 1, 2),
held AS (
    SELECT token_id, hour, (sum(extract(epoch FROM until - since)) * 1000)::bigint AS ms FROM piece GROUP BY 1, 2
)
INSERT INTO plain_usage SELECT hour, token_id, ms, low, high FROM held JOIN extreme USING (hour, token_id)
"""
YEAR = """
SELECT token_id, sum(device_ms), min(minimum), max(maximum), count(*) FROM {table}
WHERE {name} >= %s AND {name} < %s {whose} GROUP BY token_id
"""


def roll_up() -> float:
    """Return the seconds that plain SQL takes for the same rows, with the same memory."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("SET work_mem = '256MB'; SET jit = off")
        return timed(lambda: cursor.execute(HOURS))


def sums(table: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT sum(device_ms), count(*), sum(minimum), sum(maximum) FROM {table}")  # noqa: S608
        row: tuple[Any, ...] = cursor.fetchone()
        return row


def year(name: str, start: Any, end: Any, token: int | None) -> list[Any]:
    statement = YEAR.format(table=f"usage_usage{name}", name=name, whose="AND token_id = %s" if token else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, [start, end, *([token] if token else [])])
        rows: list[Any] = cursor.fetchall()
        return rows


def timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
