"""Many beats and operators at once: a crossing is told once, and the last word on a budget is its owner's."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import close_old_connections, connection

from billing.models import Budget
from billing.queries.budgets import this_month
from billing.services.budgets import create_budget, update_budget
from billing.services.checking import check_budgets
from moreh_cloud.alerts.models import Alert
from moreh_cloud.events.models import Event
from tests import make
from tests.billing.test_budgets import SECONDS_18
from tests.billing.world import hold
from tokens.choices import Spent
from tokens.models import Token

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(calls: Iterable[Callable[[], object]]) -> None:
    def run(call: Callable[[], object]) -> None:
        close_old_connections()
        try:
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(run, calls))


def _budgets(number: int) -> list[Budget]:
    """Make budgets that are spent since nobody looked."""
    month, made = this_month(), []
    for _ in range(number):
        sda = make.sda()
        made.append(create_budget(sda.token, Spent.DEVICE_HOURS, amount=Decimal("0.005"), stops=True, actor=make.ACTOR))
        hold(sda, month.start, month.start + SECONDS_18)
    return made


def test_six_beats_at_once_tell_each_crossing_once() -> None:
    budgets = _budgets(5)
    _at_once([check_budgets] * 6)
    for action, subjects in (
        ("SPEND_BUDGET", [f"budget/{budget.pk}" for budget in budgets]),
        ("STOP_TOKEN", [f"token/{budget.token_id}" for budget in budgets]),
    ):
        found = Event.objects.filter(action=action).values_list("subject", flat=True)
        assert sorted(found) == sorted(subjects)
    assert sorted(Alert.objects.values_list("times", flat=True)) == [1] * 5


def test_beats_beside_operators_who_raise_their_budgets_leave_nobody_stopped() -> None:
    budgets = _budgets(4)
    check_budgets()

    def raised(budget: Budget) -> Callable[[], object]:
        return lambda: update_budget(budget, amount=Decimal(1), actor=make.ACTOR)

    _at_once([call for budget in budgets for call in (check_budgets, raised(budget))])
    assert not Token.objects.filter(stopped_at__isnull=False).exists()
    assert Event.objects.filter(action="STOP_TOKEN").count() == Event.objects.filter(action="FREE_TOKEN").count() == 4
