"""Lock and statement timeouts of processes that serve callers.

A lock that somebody holds for long (a migration, a person in psql) otherwise takes one thread after the other.
Without a call of these a process waits as long as it takes: migrations, benchmarks, commands of manage.py.
"""

from django.conf import settings
from django.db import connection, connections

from core.postgresql import is_postgresql


def bound_lock_waits() -> None:
    """Bound how long this process waits for locks of PostgreSQL, by MOREH_LOCK_TIMEOUT.

    SQLite has one lock, which workers share with the callers' interfaces; they wait the longer.
    """
    if is_postgresql():
        _bound(lock_timeout=_ms("MOREH_LOCK_TIMEOUT"))


def bound_statements() -> None:
    """Bound how long this process waits for locks, and how long a statement takes, by MOREH_STATEMENT_TIMEOUT."""
    _bound(lock_timeout=_ms("MOREH_LOCK_TIMEOUT"), statement_timeout=_ms("MOREH_STATEMENT_TIMEOUT"))


def wait_long() -> None:
    """Remove the timeouts for the caller's transaction."""
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 0")
            cursor.execute("SET LOCAL statement_timeout = 0")


def _bound(lock_timeout: int, **more: int) -> None:
    """Set the limits (ms) for all connections that this process opens from now on."""
    options = connections.settings["default"]["OPTIONS"]
    if is_postgresql():
        limits = {"lock_timeout": lock_timeout, **more}
        options["options"] = " ".join([options["options"], *(f"-c {name}={ms}" for name, ms in limits.items())])
    else:
        options["timeout"] = lock_timeout / 1000  # one writer: every lock is that of the file


def _ms(name: str) -> int:
    return int(getattr(settings, name).total_seconds() * 1000)
