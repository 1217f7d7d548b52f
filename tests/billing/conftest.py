"""Fixtures of the tests of billing."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pytest loads this file before Django is set up
    from billing.models import Statement
    from billing.queries.budgets import Month
    from sda.models import Sda


@pytest.fixture
def month() -> "Month":
    from billing.queries.budgets import this_month

    return this_month()


@pytest.fixture
def sda(month: "Month") -> "Sda":
    """An SDA that has used 18 device-seconds in this month, and more in the last."""
    from tests import make
    from tests.billing.budgets import SECONDS_18
    from tests.billing.world import hold, price

    sda = make.sda()
    price("3600000", since=date(2020, 1, 1), sda_model=sda.model)
    hold(sda, month.start, month.start + SECONDS_18)
    hold(sda, month.start - timedelta(days=1), month.start)
    return sda


@pytest.fixture
def issued() -> "Statement":
    """A statement of one hour at 1,000."""
    from billing.models import Statement
    from billing.services.statements import issue_statement
    from tests import make
    from tests.billing.statements import make_all
    from tests.billing.world import HOUR, START, close, hold, price

    sda = make.sda(description="Kim")
    hold(sda, START, START + HOUR)
    price("1000", sda_model=sda.model)
    close()
    make_all()
    return issue_statement(Statement.objects.get(), actor=make.ACTOR)
