"""Corrections of amounts that floats cannot add: SQLite adds columns of decimals as floats."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.audit import audit_billing
from billing.models import Statement
from billing.services.statements import correct_statements, make_statements
from scheduler.models import Allocation
from tests import make
from tests.billing.world import HOUR, MARCH, START, close, hold, price

pytestmark = pytest.mark.django_db
CASES = {  # currency: (price, totals)
    "USD": ("123456.789", ["4938271.560", "-4938237.270", "205.760"]),
    "KWD": ("98765432.123456", ["3950617284.938", "-3950589850.096", "164609.054"]),
    "KRW": ("98765432.123456", ["3950617285.000", "-3950589850.000", "164609.000"]),
}


@pytest.mark.parametrize("currency", CASES)
def test_nothing_is_corrected_again_when_a_large_amount_was_given_back(currency: str, settings: Any) -> None:
    settings.MOREH_CURRENCY = currency
    amount, totals = CASES[currency]
    sda = make.sda()
    held = Allocation.objects.filter(pk=hold(sda, START, START + 40 * HOUR).pk)
    price(amount, sda_model=sda.model)
    close()
    assert make_statements(MARCH, actor=make.ACTOR, issue=True).issued == 1
    for seconds in (1, 7):
        held.update(ended_at=START + timedelta(seconds=seconds))
        close()
        assert [correct_statements(MARCH, actor=make.ACTOR).issued for _ in range(3)] == [1, 0, 0]
    assert [*Statement.objects.order_by("sequence").values_list("total", flat=True)] == [*map(Decimal, totals)]
    assert audit_billing().differences == []
