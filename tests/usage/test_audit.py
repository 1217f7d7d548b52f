"""Allocations and keys that were changed by SQL, past the services: the audit names them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction

from billing.audit import audit_billing
from billing.services.statements import make_statements
from tests import make
from tests.billing.world import DAY, HOUR, MARCH, START, close, hold, price
from usage.audit import audit_usage
from usage.queries import usage_of

pytestmark = pytest.mark.django_db


@contextmanager
def taken_back() -> Iterator[None]:
    """Roll back what the block does."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_an_allocation_before_the_first_closed_hour_is_named() -> None:
    sda = make.sda()
    hold(sda, START, START + DAY)
    close()
    assert audit_usage().differences == []
    hold(sda, START - 40 * DAY, START - 40 * DAY + HOUR)
    found = audit_usage().differences
    at = f"hour {START - 40 * DAY:%Y-%m-%dT%H:%M}Z"
    assert f"{at} token {sda.token_id}: stored 0 ms, 0 to 0 at once, is 3600000 ms, 1 to 1 at once" in found
    assert [line for line in found if line.startswith(f"{at} in all: stored 0 ms")] != []


def test_a_first_start_that_moves_into_the_hour_before_is_named() -> None:
    first = hold(make.sda(), START, START + DAY)
    close()
    before = START - timedelta(seconds=1)
    type(first).objects.filter(pk=first.pk).update(started_at=before)
    assert [line for line in audit_usage().differences if line.startswith(f"hour {START - HOUR:%Y-%m-%dT%H:%M}Z")]


# sentence: (what is done to the one allocation or its closed hour, by what it must be named)
FAR = {
    "it begins before 1971": (
        "UPDATE scheduler_allocation SET started_at = '1970-12-01 00:00:00'",
        "scheduler_allocation {pk} started_at: '1970-12-01 00:00:00{utc}' is out of range",
    ),
    "it begins in the first year": (
        "UPDATE scheduler_allocation SET started_at = '0001-06-01 00:00:00'",
        "scheduler_allocation {pk} started_at: '0001-06-01 00:00:00{utc}' cannot be read",
    ),
    "it ends in a hundred years": (
        "UPDATE scheduler_allocation SET ended_at = '2125-03-01 00:00:00'",
        "scheduler_allocation {pk} ended_at: '2125-03-01 00:00:00{utc}' is out of range",
    ),
    "it ends in the last year": (
        "UPDATE scheduler_allocation SET ended_at = '9999-06-01 00:00:00'",
        "scheduler_allocation {pk} ended_at: '9999-06-01 00:00:00{utc}' cannot be read",
    ),
    "its hour is in the year 5000": (
        "UPDATE usage_usagehour SET hour = '5000-01-01 00:00:00'",
        "usage_usagehour 5000-01-01 00:00:00{utc} {token} hour: '5000-01-01 00:00:00{utc}' is out of range",
    ),
    "its month is before 1971": (
        "UPDATE usage_closedmonth SET month = '1960-01-01 00:00:00'",
        "usage_closedmonth 1960-01-01 00:00:00{utc} month: '1960-01-01 00:00:00{utc}' is out of range",
    ),
}


@pytest.mark.parametrize("case", FAR)
def test_a_time_that_was_moved_far_away_is_named(case: str) -> None:
    statement, named = FAR[case]
    allocation = hold(make.sda(), START, START + HOUR)
    close()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute(statement)
    utc = "+00" if connection.vendor == "postgresql" else ""
    assert audit_usage().differences == [named.format(pk=allocation.pk, token=allocation.token_id, utc=utc)]


def test_a_row_that_keys_refer_to_and_that_is_gone_is_named() -> None:
    price("1000", device_model="MI250")
    sda = make.sda()
    allocation = hold(sda, START, START + DAY)
    close()
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    token = sda.token_id
    with taken_back():
        make.sql(f"DELETE FROM tokens_token WHERE id = {token}")  # noqa: S608
        used, billed = audit_usage().differences, audit_billing().differences
        assert usage_of(START, START + DAY).total.device_ms == DAY / timedelta(milliseconds=1)
    assert f"scheduler_allocation {allocation.pk} token_id: there is no tokens_token {token}" in used
    assert [line for line in billed if line.endswith(f" token_id: there is no tokens_token {token}")] != []
    with taken_back():
        make.sql(f"DELETE FROM sda_sdamodel WHERE id = {sda.model_id}")  # noqa: S608
        billed = audit_billing().differences
    assert [line for line in billed if line.endswith(f" sda_model_id: there is no sda_sdamodel {sda.model_id}")] != []
