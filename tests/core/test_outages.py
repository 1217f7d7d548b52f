"""Every error of the database is 503 or UNAVAILABLE, on every interface, and says when to try again."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import django.db
import psycopg
import pytest
import redis
from django.db import connection, connections, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from grpc import StatusCode
from psycopg.errors import lookup
from psycopg_pool import PoolTimeout
from rest_framework.test import APIClient

from backends.models import Order
from core.api.failures import answer_failure
from core.bulk import insert_rows
from core.clock import db_now
from core.outages import is_outage, storage_code
from core.waits import bound_statements
from moreh_cloud.middleware.unavailable import server_error
from moreh_cloud.rpc.errors import status_of
from tests import make
from tests.api import V2, client, refused
from tokens.models import Token
from usage.rollups.lock import lock_rollups

AWAY: dict[str, Exception] = {
    "the disk is full": lookup("53100")("s3cret"),
    "out of memory": lookup("53200")("s3cret"),
    "too many connections": lookup("53300")("s3cret"),
    "nobody let a connection go in time": PoolTimeout("s3cret"),
    "the connection was lost": psycopg.OperationalError("server closed the connection; s3cret"),
    "an administrator ended the connection": lookup("57P01")("s3cret"),
    "it starts up": lookup("57P03")("s3cret"),
    "a lock was not to be had": lookup("55P03")("s3cret"),
    "the statement took too long": lookup("57014")("s3cret"),
    "a deadlock": lookup("40P01")("s3cret"),
    "two that cannot be put in order": lookup("40001")("s3cret"),
    "idle in a transaction for too long": lookup("25P03")("s3cret"),
    "a server that became a read-only copy": lookup("25006")("s3cret"),
    "a file that cannot be read": lookup("58030")("s3cret"),
    "a damaged page": lookup("XX001")("s3cret"),
    "SQLite: locked": sqlite3.OperationalError("database is locked; s3cret"),
    "SQLite: full": sqlite3.OperationalError("database or disk is full; s3cret"),
    "SQLite: read-only": sqlite3.OperationalError("attempt to write a readonly database; s3cret"),
    "SQLite: damaged": sqlite3.DatabaseError("database disk image is malformed; s3cret"),
    "SQLite: no connection": sqlite3.InterfaceError("s3cret"),
    "the broker is out of memory": redis.ResponseError("s3cret"),
}


def as_django(error: Exception) -> Exception:
    """Return what Django makes of an error of a driver."""
    kinds = [kind for kind in type(error).__mro__ if kind.__module__ in ("psycopg", "psycopg.errors", "sqlite3")]
    return next((getattr(django.db, k.__name__)("s3cret") for k in kinds if hasattr(django.db, k.__name__)), error)


@pytest.mark.parametrize("case", AWAY)
def test_every_interface_says_that_it_is_to_be_tried_again_when(case: str) -> None:
    error = as_django(AWAY[case])
    code = "BROKER_ERROR" if isinstance(error, redis.RedisError) else "DATABASE_ERROR"
    assert (storage_code(error), is_outage(error)) == (code, True)
    answer, status = answer_failure(error, {}), status_of(error)
    assert (answer.status_code, answer.data["code"], answer.headers["Retry-After"]) == (503, code, "2")
    assert status.code is StatusCode.UNAVAILABLE
    assert "s3cret" not in f"{answer.data}{status.details}"


def test_what_the_database_refuses_has_the_same_code_on_both() -> None:
    found = {kind: status_of(kind("s3cret")).code for kind in (django.db.IntegrityError, django.db.DataError)}
    assert found == {
        django.db.IntegrityError: StatusCode.ABORTED,
        django.db.DataError: StatusCode.INVALID_ARGUMENT,
    }
    assert not any(map(is_outage, (kind("") for kind in found)))


raised: list[Exception] = []


def fail(_request: object) -> HttpResponse:
    """Raise what the test wants."""
    raise raised.pop()


class FailingMiddleware:
    """Stands for middleware that looks something up."""

    def __init__(self, _get_response: object) -> None:
        pass

    def __call__(self, request: object) -> None:
        fail(request)


urlpatterns = [path("page", fail), path("", include("moreh_cloud.urls"))]
handler500 = server_error


@pytest.mark.parametrize("place", ["view", "middleware"])
@pytest.mark.parametrize("case", ["the disk is full", "the connection was lost", "SQLite: locked"])
def test_a_page_says_that_it_is_to_be_tried_again_when(case: str, place: str, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    if place == "middleware":
        settings.MIDDLEWARE = [f"{__name__}.FailingMiddleware"]
    raised.append(as_django(AWAY[case]))
    answer = Client(raise_request_exception=False).get("/page")
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "Not available at the moment" in answer.content.decode()
    assert "s3cret" not in answer.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_postgresql
def test_errors_inside_copy_are_those_of_django() -> None:
    backend = make.backend(0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def rows() -> Iterator[tuple[Any, ...]]:
        with psycopg.connect(connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"]) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        for number in range(100_000):
            yield (f"00000000-0000-0000-0000-{number:012}", backend.pk, "CHECK", [], "PENDING", "", db_now_once)

    db_now_once = db_now()
    names = ("id", "backend_id", "verb", "devices", "state", "error", "created_at")
    with pytest.raises(django.db.OperationalError):
        insert_rows(Order, names, rows())
    connection.close()
    assert not Order.objects.exists()


@contextmanager
def bounded() -> Iterator[None]:
    """Let this process wait as one that serves, with the limits of the settings; undone afterwards."""
    options = connections.settings["default"]["OPTIONS"]
    before = dict(options)
    _start_anew()
    bound_statements()
    try:
        yield
    finally:
        options.clear()
        options.update(before)
        _start_anew()


def _start_anew() -> None:
    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


@contextmanager
def locked(model: type[models.Model]) -> Iterator[None]:
    """Hold a lock that nobody else passes: on the table, or on the file of SQLite."""
    config = connection.settings_dict
    if connection.vendor == "postgresql":
        where = {"host": config["HOST"], "port": config["PORT"], "dbname": config["NAME"]}
        with psycopg.connect(**where, user=config["USER"], password=config["PASSWORD"]) as other:
            other.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()
        return
    with closing(sqlite3.connect(config["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.usefixtures("static_files")
@pytest.mark.django_db(transaction=True)
def test_a_lock_that_somebody_keeps_costs_a_bounded_wait_and_other_calls_go_on(
    settings: Any,
) -> None:
    settings.MOREH_LOCK_TIMEOUT = settings.MOREH_LOCK_TIMEOUT / 10
    api = client()
    with bounded(), locked(Token):
        begin = time.monotonic()
        write = api.post(f"{V2}/token", {"desc": "late"}, format="json")
        assert (*refused(write)[:2], write["Retry-After"]) == (503, "DATABASE_ERROR", "2")
        assert time.monotonic() - begin < 5
        assert APIClient().get("/api/check?type=db").status_code == 200
        assert api.get("/admin/alerts/alert/").status_code == 200
        if connection.vendor == "postgresql":  # where readers wait too
            assert refused(api.get(f"{V2}/token"))[:2] == (503, "DATABASE_ERROR")
            form = api.get("/admin/tokens/token/")
            assert (form.status_code, form["Retry-After"]) == (503, "2")
    assert api.post(f"{V2}/token", {"desc": "late"}, format="json").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_postgresql
def test_a_statement_that_takes_too_long_is_ended_and_a_roll_up_is_not(settings: Any) -> None:
    settings.MOREH_STATEMENT_TIMEOUT = settings.MOREH_STATEMENT_TIMEOUT / 300
    with bounded():
        with pytest.raises(django.db.OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")
        with transaction.atomic(), connection.cursor() as cursor:
            lock_rollups()
            cursor.execute("SELECT pg_sleep(0.5)")
