"""The database: SQLite in the data folder, or what DATABASE_URL names."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from . import env
from .core import MOREH_DATA_DIR
from .libpq import problem as _problem

# WAL and IMMEDIATE let several processes write; FULL keeps what was accepted through a power cut as well.
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000",
}
# A worker that is paused inside a transaction must not hold its locks for ever. To compile queries just in time is for
# reports of minutes; ours are short, and are over before it would be done.
SESSION = "-c idle_in_transaction_session_timeout=30s -c jit=off"
# Only in processes that answer callers (core.waits).
MOREH_LOCK_TIMEOUT = env.seconds("MOREH_LOCK_TIMEOUT", 10)
MOREH_STATEMENT_TIMEOUT = env.seconds("MOREH_STATEMENT_TIMEOUT", 30)
MOREH_DB_POOL_SIZE = env.number("MOREH_DB_POOL_SIZE", 10, least=1)


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    try:
        MOREH_DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{MOREH_DATA_DIR} cannot be used ({error.strerror}). Choose another folder with MOREH_DATA_DIR."
        ) from None
    return {**config, "OPTIONS": SQLITE, "TEST": {"NAME": MOREH_DATA_DIR / "test.sqlite3"}}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    # A pool, because one process has more threads than it needs connections; checked, so that a restart is not felt.
    # It tries to connect in ever longer pauses, for five minutes unless told, and callers cannot make it try sooner.
    pool = {"min_size": 0, "max_size": MOREH_DB_POOL_SIZE, "timeout": 5, "reconnect_timeout": 2, "max_idle": 300}
    given = config.get("OPTIONS", {})
    if wrong := _problem(given):
        raise ImproperlyConfigured(f"DATABASE_URL has parameters that cannot be used: {wrong}.")
    options = {"connect_timeout": 5, "options": SESSION, **given, "pool": pool}
    return {**config, "OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{MOREH_DATA_DIR / 'moreh.sqlite3'}")
    make = {"sqlite": _sqlite, "postgres": _postgresql, "postgresql": _postgresql}.get(url.partition("://")[0])
    parse: Callable[[str], dict[str, Any]] = Env.db_url_config
    try:
        config = parse(url) if make else {}
    except ValueError:
        config = {}
    if make is None or not config.get("NAME"):
        # The URL may hold a password, so it is not repeated here.
        raise ImproperlyConfigured(
            "DATABASE_URL must be like postgresql://user:password@host:5432/name or sqlite:////file."
        )
    return make(config)


DATABASES = {"default": _database()}
