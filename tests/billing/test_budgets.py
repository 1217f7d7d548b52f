"""Budgets: compared with this month's use to the last digit, and reported once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from alerts.models import OPEN, Alert
from billing.models import Budget, Price
from billing.queries.budgets import Month, live_budgets, month_of, this_month, use_of
from billing.services.budgets import create_budget, delete_budget, update_budget
from billing.services.checking import check_budgets
from billing.services.prices import change_price
from core.errors import Duplicate, InvalidParameter, NotFound
from scheduler.models import Allocation
from sda.models import Sda
from tests import make
from tests.alerts.heard import AlertChanges, by_category
from tests.billing.budgets import SECONDS_18, a_month_later, alerts, hours, money, told
from tests.billing.world import hold
from tokens.choices import BudgetKind
from tokens.models import Token
from tokens.services import delete_token

pytestmark = pytest.mark.django_db


def test_a_month_is_one_of_the_installations_time_zone() -> None:
    start = datetime(2026, 2, 28, 15, tzinfo=UTC)  # midnight of the first of March in Seoul
    before = start - timedelta(milliseconds=1)
    assert month_of(start) == Month(date(2026, 3, 1), start, start)
    assert month_of(before) == Month(date(2026, 2, 1), datetime(2026, 1, 31, 15, tzinfo=UTC), before)


@pytest.mark.parametrize(("amount", "percent"), [("0.005", 100), ("0.02", 25), ("0.006", Fraction(250, 3)), ("0", 100)])
def test_only_this_months_use_counts_and_exactly(sda: Sda, month: Month, amount: str, percent: Any) -> None:
    one, other = hours(sda.token, amount), money(sda.token, "36000")
    use = use_of([one, other], month)
    assert (use.standing(one).used, use.standing(one).percent) == (Fraction(5, 1000), percent)
    assert (use.standing(other).used, use.standing(other).percent) == (Fraction(18_000), Fraction(50))


def test_nobody_looks_at_the_budget_of_a_deleted_token() -> None:
    gone, there = make.token(), make.token()
    mine = [hours(gone, "0"), hours(there, "0")]
    delete_token(gone, actor=make.ACTOR)
    assert live_budgets() == mine[1:]


CROSSED = {
    "less than the threshold": ("22500.1", 80, []),
    "exactly the threshold": ("22500", 80, ["WARN_BUDGET"]),
    "more than the threshold": ("18000.001", 80, ["WARN_BUDGET"]),
    "exactly all": ("18000", 80, ["SPEND_BUDGET"]),
    "more than all": ("17999.999", 100, ["SPEND_BUDGET"]),
    "a budget of nothing": ("0", 80, ["SPEND_BUDGET"]),
}


@pytest.mark.parametrize("case", CROSSED)
def test_what_is_crossed_is_told_once_a_month(sda: Sda, month: Month, case: str) -> None:
    amount, warn_percent, actions = CROSSED[case]
    budget = money(sda.token, amount, warn_percent=warn_percent)
    check_budgets()
    check_budgets()
    assert [(action, subject) for action, subject, _request in told()] == [
        (action, f"budget/{budget.pk}") for action in actions
    ]
    category = {"WARN_BUDGET": "BUDGET_NEAR", "SPEND_BUDGET": "BUDGET_SPENT"}
    assert alerts() == [(category[action], f"budget/{budget.pk}", 1) for action in actions]
    budget.refresh_from_db()
    assert (budget.warned_in, budget.spent_in) == (
        month.day if actions else None,
        month.day if "SPEND_BUDGET" in actions else None,
    )
    assert not Token.objects.filter(stopped_at__isnull=False).exists()


def test_a_warning_names_the_figures_in_event_and_alert(sda: Sda, month: Month) -> None:
    money(sda.token, "20000")
    named = f"{month.day:%Y-%m}"
    ((_action, _subject, request),) = told()
    assert request == {"kind": "MONEY", "limit": "20000", "spent": "18000", "unit": "KRW", "month": named}
    wanted = f"{sda.token.description}: 18000 of 20000 KRW of {named} are used."
    assert Alert.objects.get().text == wanted


def test_first_nearly_spent_then_spent_then_a_new_month(sda: Sda, month: Month, alert_changes: AlertChanges) -> None:
    budget = hours(sda.token, "0.006")
    assert [action for action, *_ in told()] == ["WARN_BUDGET"]
    hold(sda, month.start, month.start + timedelta(seconds=3, milliseconds=599))
    check_budgets()
    assert [action for action, *_ in told()] == ["WARN_BUDGET"]
    hold(sda, month.start, month.start + timedelta(milliseconds=1))
    check_budgets()
    assert [action for action, *_ in told()] == ["WARN_BUDGET", "SPEND_BUDGET"]
    assert alerts() == [("BUDGET_SPENT", f"budget/{budget.pk}", 1)]
    a_month_later()
    check_budgets()
    budget.refresh_from_db()
    assert (alerts(), budget.warned_in, budget.spent_in) == ([], None, None)
    hold(sda, month.start, month.start + SECONDS_18)
    check_budgets()
    check_budgets()
    assert [action for action, *_ in told()] == ["WARN_BUDGET", "SPEND_BUDGET", "WARN_BUDGET"]
    assert alerts() == [("BUDGET_NEAR", f"budget/{budget.pk}", 1)]
    assert by_category(alert_changes) == [
        ("BUDGET_NEAR", "RAISED"),
        ("BUDGET_NEAR", "CLEARED"),
        ("BUDGET_SPENT", "RAISED"),
        ("BUDGET_SPENT", "CLEARED"),
        ("BUDGET_NEAR", "RAISED"),
    ]


def test_a_raised_budget_is_told_anew_when_it_is_spent_again(sda: Sda, month: Month) -> None:
    budget = money(sda.token, "18000")
    update_budget(budget, amount=Decimal("36000"), actor=make.ACTOR)
    assert alerts() == []
    hold(sda, month.start, month.start + SECONDS_18)
    check_budgets()
    assert [action for action, *_ in told()] == ["SPEND_BUDGET", "SPEND_BUDGET"]
    assert alerts() == [("BUDGET_SPENT", f"budget/{budget.pk}", 1)]


def test_what_a_mended_price_leaves_unspent_is_taken_back_and_told_anew(sda: Sda, month: Month) -> None:
    """18 seconds at 1,000 KRW a second are 18,000; at 900 nearly all of 18,000, at 100 they are far from it."""
    budget, price = money(sda.token, "18000", stops=True), Price.objects.get()
    change_price(price, amount=Decimal(3_240_000), actor=make.ACTOR)
    check_budgets()
    budget.refresh_from_db()
    assert (alerts(), budget.warned_in, budget.spent_in) == ([], month.day, None)
    change_price(price, amount=Decimal(360_000), actor=make.ACTOR)
    check_budgets()
    budget.refresh_from_db()
    assert (alerts(), budget.warned_in, budget.spent_in) == ([], None, None)
    change_price(price, amount=Decimal(3_600_000), actor=make.ACTOR)
    check_budgets()
    check_budgets()
    assert [action for action, *_ in told()] == [
        *("SPEND_BUDGET", "STOP_TOKEN", "FREE_TOKEN"),
        *("SPEND_BUDGET", "STOP_TOKEN"),
    ]
    assert alerts() == [("BUDGET_SPENT", f"budget/{budget.pk}", 1)]


def test_a_warning_is_taken_back_when_usage_was_counted_again(sda: Sda) -> None:
    budget = hours(sda.token, "0.006")
    assert alerts() == [("BUDGET_NEAR", f"budget/{budget.pk}", 1)]
    Allocation.objects.filter(sda=sda).update(ended_at=F("started_at"))
    check_budgets()
    budget.refresh_from_db()
    assert (alerts(), budget.warned_in) == ([], None)


def test_a_deleted_token_leaves_no_alert_of_its_budgets(sda: Sda) -> None:
    hours(sda.token, "0.005")
    Token.objects.filter(pk=sda.token_id).update(deleted_at=this_month().start)
    check_budgets()
    assert alerts() == []


def test_every_change_is_an_event(sda: Sda) -> None:
    budget = money(sda.token, "99999.5", stops=True)
    budget = update_budget(budget, warn_percent=90, amount=Decimal("99999"), actor=make.ACTOR)
    delete_budget(budget, actor=make.ACTOR)
    fields = {"kind": "MONEY", "amount": "99999", "warnPercent": 90, "stops": True}
    assert told("CREATE_BUDGET", "UPDATE_BUDGET", "DELETE_BUDGET") == [
        ("CREATE_BUDGET", f"budget/{budget.pk}", {**fields, "amount": "99999.5", "warnPercent": 80}),
        ("UPDATE_BUDGET", f"budget/{budget.pk}", fields),
        ("DELETE_BUDGET", f"budget/{budget.pk}", fields),
    ]
    with pytest.raises(NotFound):
        update_budget(budget, stops=False, actor=make.ACTOR)


def test_a_token_has_one_budget_of_a_kind(sda: Sda) -> None:
    money(sda.token, "5")
    with pytest.raises(Duplicate):
        money(sda.token, "6")


@pytest.mark.parametrize("wrong", [{"amount": "-1"}, {"amount": "1.2345"}, {"warn_percent": 0}, {"warn_percent": 101}])
def test_a_budget_is_refused(sda: Sda, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as refused:
        money(sda.token, **{"amount": "5", **wrong})
    assert list(refused.value.details) == list(wrong)


def test_a_deleted_tokens_budget_is_left_alone(sda: Sda) -> None:
    money(sda.token, "18000.001", warn_percent=100, stops=True)
    Token.objects.filter(pk=sda.token_id).update(deleted_at=this_month().start)
    Budget.objects.update(amount=1)
    check_budgets()
    assert told() == []


@pytest.mark.parametrize("kinds", [(BudgetKind.MONEY,), (BudgetKind.DEVICE_HOURS,), tuple(BudgetKind)])
def test_the_number_of_budgets_costs_no_query(month: Month, kinds: tuple[BudgetKind, ...]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            check_budgets()
        return len([query for query in seen if "clock_timestamp" not in query["sql"]])

    def some(number: int) -> None:
        for _ in range(number):
            sda = make.sda()
            hold(sda, month.start, month.start + SECONDS_18)
            for kind in kinds:
                create_budget(sda.token, kind, amount=Decimal(1000), stops=True, actor=make.ACTOR)

    some(1)
    few = queries()
    some(6)
    assert queries() == few


def test_many_crossings_are_told_in_bulk(month: Month) -> None:
    def queries(number: int) -> int:
        for _ in range(number):
            sda = make.sda()
            create_budget(sda.token, BudgetKind.DEVICE_HOURS, amount=Decimal("0.005"), stops=True, actor=make.ACTOR)
            hold(sda, month.start, month.start + SECONDS_18)
        with CaptureQueriesContext(connection) as seen:
            check_budgets()
        return len([query for query in seen if "clock_timestamp" not in query["sql"]])

    few = queries(2)
    assert queries(9) == few
    assert Token.objects.filter(stopped_at__isnull=False).count() == 11
    assert len(told("SPEND_BUDGET")) == len(told("STOP_TOKEN")) == Alert.objects.filter(OPEN).count() == 11
