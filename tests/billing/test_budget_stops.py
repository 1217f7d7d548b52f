"""Budgets that stop their token: when, for how long, and what becomes of its jobs."""

from decimal import Decimal
from typing import Any

import pytest

from billing.queries.budgets import Month
from billing.services.budgets import delete_budget, update_budget
from billing.services.checking import check_budgets
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.policy.decisions import PendingReason
from scheduler.services.jobs import finish_job
from scheduler.services.sdas import create_sda
from sda.models import Sda
from tests import make
from tests.billing.budgets import a_month_later, hours, money, told
from tokens.errors import BudgetSpent
from tokens.models import Token

pytestmark = pytest.mark.django_db


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
    assert (waiting.pending_reason, waiting.pending_needed, waiting.pending_available) == (
        PendingReason.TOKEN_STOPPED,
        1,
        0,
    )
    finish_job(Job.objects.get(pk=running.pk), exit_code=0, actor=make.ACTOR)
    tick(running.group_id)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == ("WAITING", PendingReason.TOKEN_STOPPED)
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
    assert (job.status, job.pending_reason, job.pending_needed) == ("WAITING", PendingReason.TOKEN_STOPPED, 1)
    delete_budget(budget, actor=make.ACTOR)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.pending_reason) == ("SUBMITTED", "")


def test_the_same_request_is_the_same_job_also_when_its_token_is_stopped(sda: Sda) -> None:
    job = make.job(sda, request_id="once")
    money(sda.token, "0", stops=True)
    assert make.job(Sda.objects.get(pk=sda.pk), request_id="once") == job
