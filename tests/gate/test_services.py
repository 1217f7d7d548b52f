"""The ground the tests stand on is real."""

from contextlib import closing
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.utils import ConnectionHandler
from psycopg_pool import ConnectionPool

from moreh_cloud.settings.database import SQLITE


@pytest.mark.django_db
def test_the_database_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 + 1")
        assert cursor.fetchone() == (2,)


@pytest.mark.only_sqlite
@pytest.mark.django_db
def test_sqlite_is_a_file_in_wal_mode_and_syncs_every_commit(tmp_path: Path) -> None:
    """As the product connects: the tests themselves do not wait for the disk."""
    database = {**settings.DATABASES["default"], "NAME": tmp_path / "own.sqlite3", "OPTIONS": SQLITE}
    own = ConnectionHandler({"default": database})["default"]
    with closing(own), own.cursor() as cursor:
        values = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert values == ["wal", 2]


@pytest.mark.only_postgresql
@pytest.mark.django_db
def test_postgresql_ends_idle_transactions_and_uses_a_pool() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("30s",)
    assert isinstance(connection.connection._pool, ConnectionPool)  # its sizes are counted in the background


def test_the_cache_and_the_broker_are_this_process_s_own_server(broker: redis.Redis) -> None:
    cache.set("place", 3)
    assert cache.get("place") == 3
    assert broker.keys() == [b"moreh:1:place"]
    assert settings.CELERY_BROKER_URL.removeprefix("redis+socket://") == settings.REDIS_URL.removeprefix("unix://")


def test_nothing_is_left_of_the_test_before(broker: redis.Redis) -> None:
    assert broker.keys() == []
    broker.set("left", "behind")


def test_nor_of_this_one(broker: redis.Redis) -> None:
    assert broker.keys() == []
    broker.set("left", "behind")
