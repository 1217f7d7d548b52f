"""One row that fails stops none of the others, unless the database is at fault."""

from collections.abc import Sequence

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from core.apart import each_apart, many_apart
from events.models import Event
from tests import make


def _refuse(*refused: int, error: type[Exception] = ValueError) -> tuple[list[int], object]:
    done: list[int] = []

    def act(keys: Sequence[int]) -> None:
        if set(keys) & set(refused):
            raise error(keys)
        done.extend(keys)

    return done, act


@pytest.mark.parametrize("refused", [(), (0,), (6,), (2, 3), tuple(range(7))])
def test_only_what_cannot_be_done_fails(refused: tuple[int, ...]) -> None:
    done, act = _refuse(*refused)
    many_apart(range(7), act, "not_done")  # type: ignore[arg-type]
    assert done == [key for key in range(7) if key not in refused]
    done.clear()
    each_apart(([key] for key in range(7)), act, "not_done")  # type: ignore[arg-type]
    assert done == [key for key in range(7) if key not in refused]


@pytest.mark.django_db
def test_a_statement_that_the_database_refuses_for_one_key_stops_no_other() -> None:
    done = []

    def act(key: int) -> None:
        with transaction.atomic():
            make.sql("SELECT 1" if key != 1 else "SELECT nothing FROM nowhere")
        done.append(key)

    if connection.vendor == "sqlite":  # there any operational error may be the lock of all
        with pytest.raises(OperationalError):
            each_apart(range(3), act, "not_done")
        assert done == [0]
        return
    each_apart(range(3), act, "not_done")
    assert done == [0, 2]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_is_one_error_and_not_one_for_each_key() -> None:
    tried = []

    def act(key: int) -> None:
        tried.append(key)
        if connection.vendor == "sqlite":
            raise OperationalError("database is locked")
        make.sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseError):
        each_apart(range(3), act, "not_done")
    connection.close()
    assert (tried, Event.objects.count()) == ([0], 0)
