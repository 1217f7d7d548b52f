"""Change stamps and row counts of tables, read without reading their rows.

Each writing statement leaves a random stamp, and how many rows it added, in a row of its own connection: nobody waits
for anybody, and both become visible with the change itself. Two readers who see the same stamps see the same tables.
"""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from core.postgresql import is_postgresql

ON_POSTGRESQL = """
CREATE OR REPLACE FUNCTION answers_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    added bigint := 0;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        added := -(SELECT coalesce(sum(rows), 0) FROM answers_tally WHERE name = TG_TABLE_NAME);
    ELSE
        SELECT count(*) INTO added FROM changed;
        IF added = 0 THEN
            RETURN NULL;
        END IF;
        added := CASE TG_OP WHEN 'INSERT' THEN added WHEN 'DELETE' THEN -added ELSE 0 END;
    END IF;
    INSERT INTO answers_tally AS mine (name, writer, stamp, rows)
    VALUES (TG_TABLE_NAME, pg_backend_pid(), gen_random_uuid()::text, added)
    ON CONFLICT (name, writer) DO UPDATE SET stamp = excluded.stamp, rows = mine.rows + excluded.rows;
    RETURN NULL;
END $$
"""
STATEMENT = 'AFTER {verb} ON "{table}" {rows} FOR EACH STATEMENT EXECUTE FUNCTION answers_stamp()'
VERBS = {
    "INSERT": "REFERENCING NEW TABLE AS changed",
    "UPDATE": "REFERENCING NEW TABLE AS changed",
    "DELETE": "REFERENCING OLD TABLE AS changed",
    "TRUNCATE": "",
}
ON_SQLITE = """
CREATE TRIGGER "{name}" AFTER {verb} ON "{table}" BEGIN
    UPDATE answers_tally SET stamp = hex(randomblob(16)), rows = rows + ({added}) WHERE name = '{table}';
END
"""
ADDED = {"INSERT": 1, "UPDATE": 0, "DELETE": -1}
RECOUNT = """
INSERT INTO answers_tally (name, writer, stamp, rows) SELECT '{table}', 0, '{stamp}', count(*) FROM "{table}"
"""


def watch_tables(using: str) -> None:
    """Watch the tables of MOREH_WATCHED_TABLES that are not watched yet, and count their rows."""
    database = connections[using]
    with database.cursor() as cursor:
        there = set(database.introspection.table_names(cursor))
        if "answers_tally" not in there:
            return
        if is_postgresql(database):
            cursor.execute(ON_POSTGRESQL)
    for table in settings.MOREH_WATCHED_TABLES:
        if table in there and not _is_watched(database, table):
            _watch(database, table)


def _is_watched(database: BaseDatabaseWrapper, table: str) -> bool:
    known = "pg_trigger WHERE tgname" if is_postgresql(database) else "sqlite_master WHERE type='trigger' AND name"
    with database.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {known} LIKE %s", [f"{table}_stamp_%"])  # noqa: S608
        return bool(cursor.fetchone()[0] >= len(ADDED))


def _watch(database: BaseDatabaseWrapper, table: str) -> None:
    with database.cursor() as cursor:
        for statement in _triggers(database, table):
            cursor.execute(statement)
        cursor.execute("DELETE FROM answers_tally WHERE name = %s", [table])
        cursor.execute(RECOUNT.format(table=table, stamp=token_hex(16)))


def _triggers(database: BaseDatabaseWrapper, table: str) -> list[str]:
    if not is_postgresql(database):
        names = {verb: f"{table}_stamp_{verb.lower()}" for verb in ADDED}
        return [
            text
            for verb, name in names.items()
            for text in (
                f'DROP TRIGGER IF EXISTS "{name}"',
                ON_SQLITE.format(name=name, verb=verb, table=table, added=ADDED[verb]),
            )
        ]
    return [
        f'CREATE OR REPLACE TRIGGER "{table}_stamp_{verb.lower()}" '
        + STATEMENT.format(verb=verb, table=table, rows=rows)
        for verb, rows in VERBS.items()
    ]


def read_stamps() -> Mapping[str, str]:
    """Return the stamps of every watched table; the same stamps mean the same rows. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, stamp FROM answers_tally ORDER BY name, writer")
        found: dict[str, str] = {}
        for name, stamp in cursor.fetchall():
            found[name] = found.get(name, "") + stamp
    return found


def count_rows(table: str, *, without: QuerySet[Any] | None = None) -> int:
    """Return how many rows a watched table has, exactly, at a cost that does not grow with them.

    `without` are rows of it that do not count. One query, so that both numbers are of one moment.
    """
    kept = "SELECT coalesce(sum(rows), 0) FROM answers_tally WHERE name = %s"
    rest, values = ("SELECT 0", ()) if without is None else without.order_by().values("pk").query.sql_with_params()
    if without is not None:
        rest = f"SELECT count(*) FROM ({rest}) AS other"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({kept}) - ({rest})", [table, *values])
        return int(cursor.fetchone()[0])


def fold_stamps() -> None:
    """Put what connections that are gone have left into one row per table; only PostgreSQL has several."""
    if not is_postgresql():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM answers_tally WHERE writer <> 0"
            " AND NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = writer) RETURNING name, rows)"
            " INSERT INTO answers_tally AS kept (name, writer, stamp, rows)"
            " SELECT name, 0, gen_random_uuid()::text, sum(rows) FROM gone GROUP BY name"
            " ON CONFLICT (name, writer) DO UPDATE SET stamp = excluded.stamp, rows = kept.rows + excluded.rows"
        )
