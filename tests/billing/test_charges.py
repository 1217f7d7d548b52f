"""What a range costs: the price of each day, cut at midnight of the installation, never rounded."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.queries.charges import charges
from sda.models import Sda
from tests import make
from tests.billing.world import hold, price

pytestmark = pytest.mark.django_db
START = datetime(2026, 2, 28, 15, tzinfo=UTC)  # midnight of the first of March in Seoul


def test_the_price_of_the_sda_model_wins_and_what_has_none_costs_nothing() -> None:
    first, second, third = make.sda(), make.sda(), make.sda()
    for sda, model in ((first, "MI250"), (second, "MI250"), (third, "MI300")):
        hold(sda, START, START + timedelta(hours=2), device_model=model)
    price("1000", date(2026, 1, 1), device_model="MI250")
    price("1500.5", date(2026, 1, 1), sda_model=first.model)
    assert charges(START, START + timedelta(days=1)) == {
        first.token_id: Decimal("3001"),
        second.token_id: Decimal("2000"),
        third.token_id: Decimal(0),
    }
    assert charges(START, START + timedelta(hours=1), [second.token_id]) == {second.token_id: Decimal(1000)}


def test_a_price_changes_at_midnight_of_the_installation() -> None:
    sda = make.sda()
    hold(sda, START + timedelta(hours=23), START + timedelta(hours=26))
    price("1000", date(2026, 3, 1), date(2026, 3, 2), sda_model=sda.model)
    price("7", date(2026, 3, 2), sda_model=sda.model)
    assert charges(START, START + timedelta(days=2)) == {sda.token_id: Decimal(1014)}


def test_a_millisecond_costs_what_it_costs() -> None:
    sda = make.sda()
    hold(sda, START, START + timedelta(milliseconds=1))
    price("1", date(2026, 3, 1), sda_model=sda.model)
    assert charges(START, START + timedelta(hours=1))[sda.token_id] == Decimal(f"2.{58 * '7'}8e-7")


def test_the_number_of_tokens_costs_no_query() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            charges(START, START + timedelta(days=3))
        return len(seen)

    one: Sda = make.sda()
    hold(one, START, START + timedelta(days=3))
    price("1", date(2026, 3, 2), date(2026, 3, 3), sda_model=one.model)
    few = queries()
    for _ in range(20):
        hold(make.sda(), START, START + timedelta(days=3))
    assert queries() == few
