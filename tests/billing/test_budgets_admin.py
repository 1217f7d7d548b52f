"""Budgets in the admin: set and changed through the services, shown with what is used of them."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from billing.models import Budget
from billing.queries.budgets import this_month
from billing.services.budgets import create_budget
from events.models import Event
from sda.models import Sda
from tests import make
from tests.admin_world import address, client_of
from tests.billing.budgets import SECONDS_18, hours, money
from tests.billing.world import hold, price
from tokens.choices import BudgetKind
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


@pytest.fixture
def sda() -> Sda:
    """An SDA that has used 18 device-seconds in this month, for 18,000 KRW."""
    month, sda = this_month(), make.sda()
    price("3600000", since=month.day, sda_model=sda.model)
    hold(sda, month.start, month.start + SECONDS_18)
    return sda


def shown(browser: Client, page: str) -> str:
    return " ".join(browser.get(page).content.decode().split())


def test_a_budget_is_set_and_stops_at_once(browser: Client, sda: Sda) -> None:
    fields = {"token": sda.token_id, "kind": "MONEY", "amount": "18000", "warn_percent": 50, "stops": "on"}
    assert browser.post(address(Budget, "add"), fields).status_code == 302
    budget = Budget.objects.get()
    assert (budget.kind, budget.amount, budget.warn_percent, budget.stops) == ("MONEY", Decimal(18_000), 50, True)
    assert Token.objects.get(pk=sda.token_id).stopped_at
    assert list(Event.objects.filter(subject=f"budget/{budget.pk}").values_list("action", flat=True)) == [
        "SPEND_BUDGET",
        "CREATE_BUDGET",
    ]
    again: Any = browser.post(address(Budget, "add"), fields)
    assert "The token has a budget of this kind." in again.content.decode()


def test_it_is_changed_and_deleted(browser: Client, sda: Sda) -> None:
    budget = money(sda.token, "18000", stops=True)
    page = address(Budget, "change", budget.pk)
    assert browser.post(page, {"amount": "18001", "warn_percent": 90, "stops": "on"}).status_code == 302
    budget.refresh_from_db()
    assert (budget.amount, budget.warn_percent, budget.kind) == (Decimal(18_001), 90, "MONEY")
    assert not Token.objects.get(pk=sda.token_id).stopped_at
    refused: Any = browser.post(page, {"amount": "-1", "warn_percent": 90})
    assert refused.context["adminform"].form.errors.keys() == {"amount"}
    browser.post(reverse("admin:billing_budget_delete", args=[budget.pk]), {"agreed": "1"})
    assert not Budget.objects.exists()


STANDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "in order": ({"amount": "25000"}, "18,000 <small>KRW · 72 %</small>", "in order"),
    "nearly spent": ({"amount": "18001"}, "18,000 <small>KRW · 99 %</small>", "nearly spent"),
    "spent": ({"amount": "18000"}, "18,000 <small>KRW · 100 %</small>", "spent"),
    "spent long ago": ({"amount": "1.5"}, "18,000 <small>KRW · 1,200,000 %</small>", "spent"),
    "stopping": ({"amount": "1", "stops": True}, "1,800,000 %", "spent, new jobs are refused"),
}


@pytest.mark.parametrize("case", STANDS)
def test_use_is_shown_in_figures_and_as_a_bar_that_is_not_rounded_up(browser: Client, sda: Sda, case: str) -> None:
    fields, figures, state = STANDS[case]
    amount = Decimal(fields["amount"])
    create_budget(sda.token, BudgetKind.MONEY, amount=amount, stops=fields.get("stops", False), actor=make.ACTOR)
    page = shown(browser, address(Budget, "changelist"))
    assert figures in page
    assert f">{state}</span>" in page
    tone = "mc-out" if state.startswith("spent") else "mc-used"
    assert f'class="{tone}" style="width: {min(100, int(18_000 * 100 / amount))}%"' in page


def test_a_tokens_page_shows_its_budgets_and_that_it_is_stopped(browser: Client, sda: Sda) -> None:
    hours(sda.token, "1000")
    money(sda.token, "0", stops=True)
    page = shown(browser, address(Token, "change", sda.token_id))
    assert "0.01 <small>device-hours · 0 %</small>" in page
    assert "1,000 <small>device-hours</small>" in page
    assert "spent, new jobs are refused" in page
    assert ">stopped</span>" in shown(browser, address(Token, "changelist"))


def test_read_only_looks_only(sda: Sda) -> None:
    budget = money(sda.token, "18000")
    reader = client_of(Role.READ_ONLY)
    assert "18,000" in shown(reader, address(Budget, "changelist"))
    assert reader.post(address(Budget, "change", budget.pk), {"amount": "5"}).status_code == 403
    assert reader.get(address(Budget, "add")).status_code == 403
