# ruff: noqa: S608 - the names in these statements are our own
"""The tests' databases refuse every change of a state that its table of transitions does not allow.

Tests that plant what no service does write `with unchecked():`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

from backends.choices import ACTION_TRANSITIONS, DEVICE_TRANSITIONS, MAINTENANCE_TRANSITIONS, ORDER_TRANSITIONS
from backends.models import Device, MaintenanceWindow, Order, PowerAction
from bulk.choices import BULK_TRANSITIONS, ITEM_TRANSITIONS
from bulk.models import BulkAction, BulkItem
from core.transitions import Transitions
from notifications.choices import NOTICE_TRANSITIONS
from notifications.models import Notice
from outbox.choices import DELIVERY_TRANSITIONS
from outbox.models import Delivery
from remediation.choices import REPAIR_TRANSITIONS, STEP_TRANSITIONS
from remediation.models import Repair, RepairStep
from scheduler.choices import JOB_TRANSITIONS, WORKER_TRANSITIONS
from scheduler.models import Job, Worker

TABLES: dict[tuple[type[models.Model], str], Transitions[Any]] = {
    (Device, "status"): DEVICE_TRANSITIONS,
    (PowerAction, "state"): ACTION_TRANSITIONS,
    (MaintenanceWindow, "state"): MAINTENANCE_TRANSITIONS,
    (Order, "state"): ORDER_TRANSITIONS,
    (Job, "status"): JOB_TRANSITIONS,
    (Worker, "state"): WORKER_TRANSITIONS,
    (Repair, "state"): REPAIR_TRANSITIONS,
    (RepairStep, "state"): STEP_TRANSITIONS,
    (BulkAction, "state"): BULK_TRANSITIONS,
    (BulkItem, "state"): ITEM_TRANSITIONS,
    (Delivery, "state"): DELIVERY_TRANSITIONS,
    (Notice, "state"): NOTICE_TRANSITIONS,
}  # Statements' own triggers refuse what their table does not allow, in production too.


def enforce() -> None:
    """Make the database refuse what no table allows, with an error that names the column."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE tests_unchecked (one int)")
    for (model, column), table in TABLES.items():
        name = model._meta.db_table
        allowed = ", ".join(f"'{a}>{b}'" for a, b in sorted(table.pairs() | table.repairs))
        condition = f"OLD.{column} <> NEW.{column} AND (OLD.{column} || '>' || NEW.{column}) NOT IN ({allowed})"
        with connection.cursor() as cursor:
            for statement in _refusal(name, column, condition):
                cursor.execute(statement)


def _refusal(table: str, column: str, condition: str) -> Iterator[str]:
    if connection.vendor == "sqlite":
        yield f"""
            CREATE TRIGGER refuse_{table} BEFORE UPDATE OF {column} ON {table}
            WHEN {condition} AND {_checked()}
            BEGIN SELECT RAISE(FAIL, 'no such transition: {table}.{column}'); END
        """
        return
    yield f"""
        CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {_checked()} THEN
                RAISE EXCEPTION 'no such transition: {table}.{column} % > %', OLD.{column}, NEW.{column};
            END IF;
            RETURN NEW;
        END $$
    """
    yield f"""
        CREATE TRIGGER refuse_{table} BEFORE UPDATE OF {column} ON {table}
        FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse_{table}()
    """


def _checked() -> str:
    if connection.vendor == "sqlite":
        return "NOT EXISTS (SELECT 1 FROM tests_unchecked)"
    return "current_setting('tests.unchecked', true) IS DISTINCT FROM 'yes'"


def _check(cursor: Any, *, on: bool) -> None:
    """Turn the check on or off: on PostgreSQL for this connection alone, so that nobody waits for anybody."""
    if connection.vendor == "sqlite":
        cursor.execute("DELETE FROM tests_unchecked" if on else "INSERT INTO tests_unchecked VALUES (1)")
    else:
        cursor.execute("SELECT set_config('tests.unchecked', %s, false)", ["no" if on else "yes"])


@contextmanager
def unchecked() -> Iterator[None]:
    """Let the database take every change of a state meanwhile; after an error too, nothing of it is left."""
    with connection.cursor() as cursor:
        _check(cursor, on=False)
        try:
            yield
        except BaseException:
            if not connection.in_atomic_block:  # else the caller's transaction is rolled back, and this with it
                _check(cursor, on=True)
            raise
        _check(cursor, on=True)


@contextmanager
def recorded(model: type[models.Model]) -> Iterator[set[tuple[str, str]]]:
    """Collect the checked transitions that happen to rows of a model meanwhile; complete when the block is left."""
    seen: set[tuple[str, str]] = set()
    table = model._meta.db_table
    [column] = [column for of, column in TABLES if of is model]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE seen_{table} (old varchar(32), new varchar(32))")
        for statement in _recording(table, column):
            cursor.execute(statement)
    try:
        yield seen
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT DISTINCT old, new FROM seen_{table}")
            seen.update(cursor.fetchall())
            cursor.execute(f"DROP TRIGGER see_{table}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))
            cursor.execute(f"DROP TABLE seen_{table}")


def _recording(table: str, column: str) -> Iterator[str]:
    note = f"INSERT INTO seen_{table} VALUES (OLD.{column}, NEW.{column})"
    changed, checked = f"OLD.{column} <> NEW.{column}", _checked()
    if connection.vendor == "sqlite":
        when = f"{changed} AND {checked}"
        yield f"CREATE TRIGGER see_{table} AFTER UPDATE OF {column} ON {table} WHEN {when} BEGIN {note}; END"
        return
    yield f"""
        CREATE OR REPLACE FUNCTION see_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF {checked} THEN {note}; END IF; RETURN NULL; END $$
    """
    yield f"""
        CREATE TRIGGER see_{table} AFTER UPDATE OF {column} ON {table}
        FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION see_{table}()
    """
