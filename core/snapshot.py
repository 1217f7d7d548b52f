"""Transactions whose reads all see one moment, and writes that depend on them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from core.postgresql import is_postgresql

CHANGED = "40001"  # PostgreSQL: somebody has changed since what was to be written
REPEATABLE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
ISOLATED = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Overtaken(Exception):
    """Another transaction changed a row since the moment that was read. Nothing was written."""


@contextmanager
def decided_at_one_moment() -> Iterator[None]:
    """Run a transaction whose reads all see the database as it was at one moment. Raises Overtaken.

    In a transaction that is open already the reads are that transaction's.
    """
    if connection.in_atomic_block or not is_postgresql():
        with transaction.atomic():  # SQLite takes the lock of the one who writes as it begins
            yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(REPEATABLE)
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != CHANGED:
            raise
        raise Overtaken from error


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Run a block whose reads all see the database as it was at one moment; it may write nothing.

    In a transaction that is open already the reads are that transaction's.
    """
    if connection.in_atomic_block:
        yield
    elif is_postgresql():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(ISOLATED)
            yield
    else:
        with _deferred(), transaction.atomic():
            yield


@contextmanager
def _deferred() -> Iterator[None]:
    """Begin transactions of SQLite without taking the lock of the one who writes."""
    mode = getattr(connection, "transaction_mode", None)
    connection.transaction_mode = None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = mode  # type: ignore[attr-defined]
