"""Many beats and operators at once: a crossing is told once, and the last word on a budget is its owner's."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.db.models import Model

from alerts.models import Alert
from billing.models import Budget
from billing.queries.budgets import this_month
from billing.services import checking
from billing.services.budgets import create_budget, delete_budget, update_budget
from billing.services.checking import check_budgets
from core.locks import keep
from events.models import Event
from scheduler.cycle import limits
from scheduler.cycle.tick import tick
from sda.models import Sda
from tests import make
from tests.billing.budgets import SECONDS_18
from tests.billing.world import hold
from tokens.choices import BudgetKind
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
        made.append(
            create_budget(sda.token, BudgetKind.DEVICE_HOURS, amount=Decimal("0.005"), stops=True, actor=make.ACTOR)
        )
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


CHANGES: dict[str, Callable[[Budget], object]] = {
    "a beat": lambda _budget: check_budgets(),
    "a change": lambda budget: update_budget(budget, amount=Decimal(0), actor=make.ACTOR),
    "a budget more": lambda budget: create_budget(
        budget.token, BudgetKind.MONEY, amount=Decimal(0), stops=True, actor=make.ACTOR
    ),
    "a budget less": lambda budget: delete_budget(_second(budget), actor=make.ACTOR),
}


def _second(budget: Budget) -> Budget:
    """Store a second budget of a token that nobody has looked at yet."""
    made: Budget = Budget.objects.create(token=budget.token, kind=BudgetKind.MONEY, amount=Decimal(1), stops=True)
    return made


@pytest.mark.only_postgresql
@pytest.mark.parametrize("case", CHANGES)
def test_a_stop_and_a_cycle_of_the_same_token_never_wait_for_each_other(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cycle comes between the first lock of the token and its stop; whoever it is, nobody is rolled back."""
    make.ready_backend(1)
    (budget,) = _budgets(1)
    job = make.job(Sda.objects.get(token=budget.token_id))
    Token.objects.filter(pk=budget.token_id).update(max_devices=8)
    locked, kept = threading.Event(), threading.Event()
    move = checking._move

    def slowly_move(*what: Any) -> None:
        locked.set()
        kept.wait(0.5)
        move(*what)

    def notice(model: type[Model], ids: Any) -> None:
        if model is Token:
            locked.wait(5)
        keep(model, ids)
        if model is Token:
            kept.set()

    monkeypatch.setattr(checking, "_move", slowly_move)
    monkeypatch.setattr(limits, "keep", notice)
    _at_once([lambda: CHANGES[case](budget), lambda: tick(job.group_id)])
    assert Token.objects.get(pk=budget.token_id).stopped_at is not None


def test_beats_beside_operators_who_raise_their_budgets_leave_nobody_stopped() -> None:
    budgets = _budgets(4)
    check_budgets()

    def raised(budget: Budget) -> Callable[[], object]:
        return lambda: update_budget(budget, amount=Decimal(1), actor=make.ACTOR)

    _at_once([call for budget in budgets for call in (check_budgets, raised(budget))])
    assert not Token.objects.filter(stopped_at__isnull=False).exists()
    assert Event.objects.filter(action="STOP_TOKEN").count() == Event.objects.filter(action="FREE_TOKEN").count() == 4
