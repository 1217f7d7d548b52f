"""Tables whose rows never change once something holds: triggers of the database refuse it, whoever asks.

They are compared with what is wanted after every migration, because SQLite makes a changed table anew, without them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate

from core.postgresql import is_postgresql

DEFAULT = "default"
_tables: list["FrozenTable"] = []  # of all apps


@dataclass(frozen=True, slots=True)
class FrozenTable:
    """A table, and by verb the SQL condition on OLD and NEW under which a statement is refused.

    `on_sqlite` adds conditions there: REPLACE deletes rows without firing their triggers, so the row that comes must
    ask. `{schema}` stands before each table, so that no temporary table is read instead; `{next_month}` is the first
    day of the month after `month`.
    """

    name: str
    says: str
    conditions: Mapping[str, str]
    on_sqlite: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A trigger as it is made; `known` is how the database tells of it, by which one that was changed is seen."""

    name: str
    table: str
    verb: str
    text: str
    known: str


BODY = """
BEGIN
    IF {condition} THEN
        RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN {row};
END """
FUNCTION = "CREATE OR REPLACE FUNCTION {schema}{name}() RETURNS trigger LANGUAGE plpgsql AS $frozen${text}$frozen$"
TRIGGER = """CREATE OR REPLACE TRIGGER {name} BEFORE {verb} ON {schema}{table}
FOR EACH {each} EXECUTE FUNCTION {schema}{name}()"""
# Also for a session that says it is a replica's. But rows are loaded into a copy in any order.
ALWAYS = "ALTER TABLE {schema}{table} ENABLE {always} TRIGGER {name}"
ON_SQLITE = """CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {condition}
BEGIN SELECT RAISE(ABORT, '{says}'); END"""
ROWS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD", "TRUNCATE": "NULL"}
NEXT_MONTH = {"postgresql": "(month + interval '1 month')", "sqlite": "date(month, '+1 month')"}
BITS = {"INSERT": 7, "UPDATE": 19, "DELETE": 11, "TRUNCATE": 34}  # as PostgreSQL keeps BEFORE, EACH and the verb
KNOWN = {
    # One with a condition of its own, or for some columns only, is not ours.
    "postgresql": (
        "SELECT tgname, relname || ' ' || tgtype || prosrc, tgenabled FROM pg_trigger"
        " JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE NOT tgisinternal AND tgqual IS NULL AND tgattr::text = '' AND tgrelid = ANY(%s::regclass[])"
    ),
    "sqlite": "SELECT name, sql, 'A' FROM sqlite_master WHERE type = 'trigger'",
}


def freeze_after_migrations(app: AppConfig, tables: Iterable[FrozenTable]) -> None:
    """Freeze an app's tables whenever its migrations have run."""
    _tables.extend(tables)
    # Not weakly, because nobody else holds the function.
    post_migrate.connect(partial(_after_migrations, tables=tables), sender=app, weak=False)


def _after_migrations(*, using: str, tables: Iterable[FrozenTable], **_more: Any) -> None:
    database = connections[using]
    for trigger in _unfit(database, tables):
        _create(database, trigger)


def thaw(using: str = DEFAULT) -> None:
    """Drop all triggers, for a migration or a test; what follows the next migration creates them again."""
    database = connections[using]
    with database.cursor() as cursor:
        for trigger in _triggers(database, _tables):
            if is_postgresql(database):
                cursor.execute(f"DROP FUNCTION IF EXISTS {_schema(database)}{trigger.name} CASCADE")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}")


def unfrozen(using: str = DEFAULT) -> list[tuple[str, str]]:
    """Return the tables and names of triggers that are missing, changed or switched off."""
    return [(trigger.table, trigger.name) for trigger in _unfit(connections[using], _tables)]


def _unfit(database: BaseDatabaseWrapper, tables: Iterable[FrozenTable]) -> list[_Trigger]:
    with database.cursor() as cursor:
        there = set(database.introspection.table_names(cursor))
        wanted = [trigger for trigger in _triggers(database, tables) if trigger.table in there]
        names = sorted({_schema(database) + trigger.table for trigger in wanted})
        cursor.execute(KNOWN[database.vendor], [names] if is_postgresql(database) else [])
        known = {name: (text, enabled) for name, text, enabled in cursor.fetchall()}
    return [trigger for trigger in wanted if known.get(trigger.name) not in _fits(trigger)]


def _fits(trigger: _Trigger) -> set[tuple[str, str]]:
    return {(trigger.known, enabled) for enabled in ("A", "O")[: 2 if trigger.verb == "INSERT" else 1]}


def _triggers(database: BaseDatabaseWrapper, tables: Iterable[FrozenTable]) -> Iterator[_Trigger]:
    form = BODY if is_postgresql(database) else ON_SQLITE
    for table in tables:
        for verb, condition in _conditions(database, table).items():
            name = f"{table.name}_{verb.lower()}_frozen"
            text = form.format(
                name=name, table=table.name, verb=verb, condition=condition, says=table.says, row=ROWS[verb]
            )
            known = f"{table.name} {BITS[verb]}{text}" if is_postgresql(database) else text
            yield _Trigger(name, table.name, verb, text, known)


def _conditions(database: BaseDatabaseWrapper, table: FrozenTable) -> Mapping[str, str]:
    """Return the conditions by verb; SQLite has no TRUNCATE, but REPLACE."""
    words = {"schema": _schema(database), "next_month": NEXT_MONTH[database.vendor]}
    found: dict[str, list[str]] = {verb: [text] for verb, text in table.conditions.items()}
    if not is_postgresql(database):
        found.pop("TRUNCATE", None)
        for verb, text in table.on_sqlite.items():
            found.setdefault(verb, []).append(text)
    return {verb: " OR ".join(f"({text.format(**words)})" for text in texts) for verb, texts in found.items()}


def _create(database: BaseDatabaseWrapper, trigger: _Trigger) -> None:
    with database.cursor() as cursor:
        if not is_postgresql(database):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}")
            cursor.execute(trigger.text)
            return
        words = {"schema": _schema(database), "name": trigger.name, "table": trigger.table, "verb": trigger.verb}
        words |= {"text": trigger.text, "each": "STATEMENT" if trigger.verb == "TRUNCATE" else "ROW"}
        words["always"] = "" if trigger.verb == "INSERT" else "ALWAYS"
        for statement in (FUNCTION, TRIGGER, ALWAYS):
            cursor.execute(statement.format(**words))


def _schema(database: BaseDatabaseWrapper) -> str:
    """Return how the schema of our tables stands before their names; SQLite's triggers see only their own database."""
    if not is_postgresql(database):
        return ""
    with database.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        return f"{cursor.fetchone()[0]}."
