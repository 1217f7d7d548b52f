"""Budgets: compared with this month's use to the last digit, told once, and stopping what they shall."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Budget
from billing.queries.budgets import Month, live_budgets, month_of, this_month, use_of
from billing.services.budgets import create_budget, delete_budget, update_budget
from billing.services.checking import check_budgets
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.events.models import Event
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, NotFound
from scheduler.models import Allocation, Job
from scheduler.policy.reasons import Reason
from scheduler.services.jobs import finish_job
from scheduler.services.sdas import create_sda
from scheduler.tick import tick
from sda.models import Sda
from tests import make
from tests.billing.world import hold, price
from tokens.choices import Spent
from tokens.errors import BudgetSpent
from tokens.models import Token
from tokens.services import delete_token

pytestmark = pytest.mark.django_db
SECONDS_18 = timedelta(seconds=18)  # half a hundredth of an hour; at 1,000 KRW a second, 18,000 KRW


@pytest.fixture
def month() -> Month:
    return this_month()


@pytest.fixture
def sda(month: Month) -> Sda:
    """An SDA that has used 18 device-seconds in this month, and more in the last."""
    sda = make.sda()
    price("3600000", since=date(2020, 1, 1), sda_model=sda.model)
    hold(sda, month.start, month.start + SECONDS_18)
    hold(sda, month.start - timedelta(days=1), month.start)
    return sda


def hours(token: Token, amount: str, **fields: Any) -> Budget:
    return create_budget(token, Spent.DEVICE_HOURS, amount=Decimal(amount), actor=make.ACTOR, **fields)


def money(token: Token, amount: str, **fields: Any) -> Budget:
    return create_budget(token, Spent.MONEY, amount=Decimal(amount), actor=make.ACTOR, **fields)


def told(*actions: str) -> list[tuple[str, str, Any]]:
    wanted = actions or ("WARN_BUDGET", "SPEND_BUDGET", "STOP_TOKEN", "FREE_TOKEN")
    rows = Event.objects.filter(action__in=wanted).order_by("pk")
    return list(rows.values_list("action", "subject", "request"))


def alerts() -> list[tuple[str, str, int]]:
    return list(Alert.objects.filter(OPEN).order_by("pk").values_list("category", "subject", "times"))


def a_month_later() -> None:
    """Let everything have happened a month ago."""
    last = this_month().start - timedelta(days=1)
    Budget.objects.exclude(warned_in=None).update(warned_in=last.date().replace(day=1))
    Budget.objects.exclude(spent_in=None).update(spent_in=last.date().replace(day=1))
    for row in Allocation.objects.filter(ended_at__isnull=False).order_by("started_at"):
        moved = {"started_at": row.started_at - timedelta(days=40), "ended_at": row.ended_at - timedelta(days=40)}  # type: ignore[operator]
        Allocation.objects.filter(pk=row.pk).update(**moved)


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
    assert Alert.objects.get().content == wanted


def test_first_nearly_spent_then_spent_then_a_new_month(sda: Sda, month: Month) -> None:
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


def test_a_spent_budget_stops_its_token_until_the_next_month(sda: Sda) -> None:
    hours(sda.token, "0.005", stops=True)
    token = Token.objects.get(pk=sda.token_id)
    why = {"kind": "DEVICE_HOURS", "limit": "0.005", "spent": "0.01", "unit": "device-hours"}
    assert token.stopped_at
    assert token.stopped_for == why
    check_budgets()
    assert told("STOP_TOKEN", "FREE_TOKEN") == [("STOP_TOKEN", f"token/{token.pk}", why)]
    with pytest.raises(BudgetSpent) as refused:
        make.job(Sda.objects.get(pk=sda.pk))
    assert str(refused.value) == "The token's quota of this month is used up: 0.01 of 0.005 device-hours."
    assert refused.value.details == {"parameter": "token", **why}
    assert not Job.objects.exists()
    a_month_later()
    check_budgets()
    assert Token.objects.filter(pk=token.pk).values_list("stopped_at", "stopped_for").get() == (None, {})
    assert [action for action, *_ in told("STOP_TOKEN", "FREE_TOKEN")] == ["STOP_TOKEN", "FREE_TOKEN"]
    assert make.job(Sda.objects.get(pk=sda.pk)).status == "WAITING"


def stopped(token: Token) -> bool:
    return Token.objects.get(pk=token.pk).stopped_at is not None


FREES: dict[str, Any] = {
    "a higher amount": lambda budget: update_budget(budget, amount=Decimal("18000.001"), actor=make.ACTOR),
    "no stop any more": lambda budget: update_budget(budget, stops=False, actor=make.ACTOR),
    "no budget any more": lambda budget: delete_budget(budget, actor=make.ACTOR),
}


@pytest.mark.parametrize("case", FREES)
def test_the_stop_is_lifted_at_once_by(sda: Sda, case: str) -> None:
    budget = money(sda.token, "18000", stops=True)
    assert stopped(sda.token)
    FREES[case](budget)
    assert not stopped(sda.token)
    check_budgets()
    assert [action for action, *_ in told("STOP_TOKEN", "FREE_TOKEN")] == ["STOP_TOKEN", "FREE_TOKEN"]


def test_a_token_stays_stopped_while_another_budget_says_so(sda: Sda) -> None:
    first, second = money(sda.token, "18000", stops=True), hours(sda.token, "0.005", stops=True)
    assert Token.objects.get(pk=sda.token_id).stopped_for["kind"] == "DEVICE_HOURS"
    delete_budget(second, actor=make.ACTOR)
    assert Token.objects.get(pk=sda.token_id).stopped_for["kind"] == "MONEY"
    update_budget(first, amount=Decimal("17000"), actor=make.ACTOR)
    assert Token.objects.get(pk=sda.token_id).stopped_for["limit"] == "17000"
    assert [action for action, *_ in told("STOP_TOKEN", "FREE_TOKEN")] == ["STOP_TOKEN"]


def test_a_raised_budget_is_told_anew_when_it_is_spent_again(sda: Sda, month: Month) -> None:
    budget = money(sda.token, "18000")
    update_budget(budget, amount=Decimal("36000"), actor=make.ACTOR)
    assert alerts() == []
    hold(sda, month.start, month.start + SECONDS_18)
    check_budgets()
    assert [action for action, *_ in told()] == ["SPEND_BUDGET", "SPEND_BUDGET"]
    assert alerts() == [("BUDGET_SPENT", f"budget/{budget.pk}", 1)]


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


def test_a_stopped_tokens_waiting_job_stays_blocks_nobody_and_starts_when_the_budget_is_raised(sda: Sda) -> None:
    running = make.job(sda)
    node = make.ready_backend(1)
    tick(running.group_id)
    make.answer(node, "START")
    waiting = make.job(sda)
    budget = money(sda.token, "18000", stops=True)
    other = make.job()
    make.ready_backend(2)
    tick(running.group_id)
    rows = dict(Job.objects.values_list("pk", "status"))
    assert rows == {running.pk: "RUNNING", waiting.pk: "WAITING", other.pk: "SUBMITTED"}
    waiting.refresh_from_db()
    assert (waiting.pending_reason, waiting.pending_needed, waiting.pending_available) == (Reason.TOKEN_STOPPED, 1, 0)
    finish_job(Job.objects.get(pk=running.pk), exit_code=0, actor=make.ACTOR)
    tick(running.group_id)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == ("WAITING", Reason.TOKEN_STOPPED)
    update_budget(budget, amount=Decimal("50000000"), actor=make.ACTOR)
    tick(running.group_id)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == ("SUBMITTED", "")


def test_a_job_on_a_reserved_sda_waits_too(month: Month) -> None:
    make.ready_backend(1)
    token = make.token()
    reserved = create_sda(token, make.sda_model(1), reserved=True, actor=make.ACTOR)
    job = make.job(reserved)
    budget = hours(token, "0", stops=True)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.pending_reason, job.pending_needed) == ("WAITING", Reason.TOKEN_STOPPED, 1)
    delete_budget(budget, actor=make.ACTOR)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.pending_reason) == ("SUBMITTED", "")


def test_the_same_request_is_the_same_job_also_when_its_token_is_stopped(sda: Sda) -> None:
    job = make.job(sda, request_id="once")
    money(sda.token, "0", stops=True)
    assert make.job(Sda.objects.get(pk=sda.pk), request_id="once") == job


def test_a_deleted_tokens_budget_is_left_alone(sda: Sda) -> None:
    money(sda.token, "18000.001", warn_percent=100, stops=True)
    Token.objects.filter(pk=sda.token_id).update(deleted_at=this_month().start)
    Budget.objects.update(amount=1)
    check_budgets()
    assert told() == []


@pytest.mark.parametrize("kinds", [(Spent.MONEY,), (Spent.DEVICE_HOURS,), tuple(Spent)])
def test_the_number_of_budgets_costs_no_query(month: Month, kinds: tuple[Spent, ...]) -> None:
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
            create_budget(sda.token, Spent.DEVICE_HOURS, amount=Decimal("0.005"), stops=True, actor=make.ACTOR)
            hold(sda, month.start, month.start + SECONDS_18)
        with CaptureQueriesContext(connection) as seen:
            check_budgets()
        return len([query for query in seen if "clock_timestamp" not in query["sql"]])

    few = queries(2)
    assert queries(9) == few
    assert Token.objects.filter(stopped_at__isnull=False).count() == 11
    assert len(told("SPEND_BUDGET")) == len(told("STOP_TOKEN")) == Alert.objects.filter(OPEN).count() == 11
