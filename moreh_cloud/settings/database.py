"""The database: SQLite in the data folder, or what DATABASE_URL names."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from . import env
from .core import MOREH_DATA_DIR

# WAL and IMMEDIATE let several processes write; FULL keeps what was accepted through a power cut as well.
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000",
}
# A worker that is paused inside a transaction must not hold its locks for ever.
IDLE_IN_TRANSACTION = "-c idle_in_transaction_session_timeout=30s"
MOREH_DB_POOL_SIZE = env.number("MOREH_DB_POOL_SIZE", 10, least=1)


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    MOREH_DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {**config, "OPTIONS": SQLITE, "TEST": {"NAME": MOREH_DATA_DIR / "test.sqlite3"}}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    # A pool, because one process has more threads than it needs connections; checked, so that a restart is not felt.
    pool = {"min_size": 0, "max_size": MOREH_DB_POOL_SIZE, "timeout": 10, "max_idle": 300}
    given = config.get("OPTIONS", {})
    options = {"connect_timeout": 5, "options": IDLE_IN_TRANSACTION, **given, "pool": pool}
    return {**config, "OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{MOREH_DATA_DIR / 'moreh.sqlite3'}")
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        return _sqlite(Env.db_url_config(url))
    if scheme in ("postgres", "postgresql"):
        return _postgresql(Env.db_url_config(url))
    # The URL itself may hold a password, so it is not repeated here.
    raise ImproperlyConfigured("DATABASE_URL must begin with postgresql:// or sqlite:///.")


DATABASES = {"default": _database()}
