"""Several processes at once: a statement is issued once, corrected once, and two prices never overlap."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from billing.errors import PriceOverlap
from billing.models import Price, Statement
from billing.services.prices import create_price
from billing.services.statements import Made, correct_statement, make_statements
from events.models import Event
from tests import make
from tests.billing.world import HOUR, MARCH, START, close, hold, price

# SQLite has one writer, and there issued statements could not be emptied away after a test.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_postgresql]
AT_ONCE = 4


def together(verb: Callable[[], Any]) -> list[Any]:
    """Do the same in several threads, and give what each gave or raised."""
    gate = Barrier(AT_ONCE)

    def one(_number: int) -> Any:
        try:
            gate.wait()
            return verb()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(AT_ONCE)))


def test_statements_are_issued_once_and_corrected_once() -> None:
    sdas = [make.sda() for _ in range(3)]
    for sda in sdas:
        hold(sda, START, START + HOUR)
    price("7", device_model="MI250")
    close()
    made = together(lambda: make_statements(MARCH, actor=make.ACTOR, issue=True))
    assert sorted(made) == [Made(0, 0, 3)] * 3 + [Made(3, 3, 0)]
    assert Statement.objects.filter(status="ISSUED", total=7).count() == 3
    assert Event.objects.filter(action="ISSUE_STATEMENT").count() == 3
    hold(sdas[0], START + HOUR, START + 2 * HOUR)
    close()
    row = Statement.objects.get(token=sdas[0].token)
    found = together(lambda: correct_statement(row, actor=make.ACTOR))
    assert len([one for one in found if one is not None]) == 1
    assert list(Statement.objects.filter(kind="CORRECTION").values_list("sequence", "total")) == [(1, Decimal(7))]


def test_of_prices_that_overlap_one_is_set() -> None:
    model = make.sda_model()
    found = together(lambda: create_price(sda_model=model, amount=Decimal(1), valid_from=MARCH, actor=make.ACTOR))
    assert [type(one) for one in found if not isinstance(one, Price)] == [PriceOverlap] * (AT_ONCE - 1)
    assert list(Price.objects.values_list("valid_from", flat=True)) == [date(2025, 3, 1)]
