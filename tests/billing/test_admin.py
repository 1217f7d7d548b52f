"""Prices and statements in the admin: what asks first, what it reports, and who may."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.choices import Role
from billing.models import Price, Statement
from billing.services.statements import make_statements
from scheduler.models import Allocation
from tests import make
from tests.admin_world import address, client_of
from tests.billing.world import HOUR, MARCH, START, close, hold, price
from usage.models import ClosedMonth

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def act(browser: Client, rows: list[Any], action: str, agreed: bool = True, **data: str) -> Any:
    """Choose an action on a list and agree to it."""
    sent = {"action": action, "_selected_action": [str(row.pk) for row in rows], **data}
    return browser.post(address(type(rows[0]), "changelist"), sent | ({"agreed": str(len(rows))} if agreed else {}),
                        follow=True)  # fmt: skip


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_a_price_is_made_changed_replaced_ended_and_deleted(browser: Client) -> None:
    given = {"device_model": "MI250", "amount": "1200.5", "valid_from": "2026-01-01"}
    assert browser.post(address(Price, "add"), given).status_code == 302
    row = Price.objects.get()
    assert browser.post(address(Price, "change", row.pk), {**given, "amount": "1300"}).status_code == 302
    shown = browser.get(address(Price, "change", row.pk)).content.decode()
    assert "UPDATE_PRICE" in shown
    row.refresh_from_db()
    assert row.amount == 1300
    shown = browser.get(address(Price, "changelist")).content.decode()
    assert ">1,300</td>" in shown
    sent = {"valid_from": "2026-02-01", "amount": "1400", "agreed": "1"}
    assert browser.post(address(Price, "replace", row.pk), sent).status_code == 302
    other = Price.objects.get(amount=1400)
    assert act(browser, [other], "delete").status_code == 200
    assert act(browser, [row], "end", valid_until="2026-03-01").status_code == 200
    row.refresh_from_db()
    assert str(row.valid_until) == "2026-03-01"
    answer = act(browser, [row], "delete")
    assert (said(answer), Price.objects.count()) == (["Delete: 1 of 1."], 0)


REFUSED = {
    "two at a time": ({"device_model": "MI250"}, "valid_from", "Another price of the same model is valid"),
    "of nothing": ({"device_model": ""}, "sda_model", "Name an SDA model or a device model, and not both."),
    "an end before the start": (
        {"device_model": "MI300", "valid_until": "2025-01-01"}, "valid_until", "The end must be after the start.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_beside_its_field(case: str, browser: Client) -> None:
    given, field, problem = REFUSED[case]
    price("1", device_model="MI250")
    answer = browser.post(address(Price, "add"), {"amount": "1", "valid_from": "2026-01-01", **given})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors[field][0].startswith(problem)


def test_prices_are_found_by_validity_and_by_what_they_are_of(browser: Client) -> None:
    today = timezone.localdate()
    model = make.sda_model(name="Big")
    now = price("1", today, device_model="A")
    later = price("1", today + timedelta(days=1), sda_model=model)
    over = price("1", today - timedelta(days=9), today, device_model="A")
    wishes = {
        "valid=now": [now],
        "valid=later": [later],
        "valid=over": [over],
        "of=sda_model": [later],
        "q=big": [later],
    }
    for query, wanted in wishes.items():
        shown = browser.get(f"{address(Price, 'changelist')}?{query}").context["cl"].result_list
        assert list(shown) == wanted, query
    assert "A" in browser.get(address(Price, "add")).content.decode()


@pytest.fixture
def month() -> ClosedMonth:
    """March, in which three tokens used an hour each, at 1,000."""
    for name in ("Kim", "Lee", "Park"):
        hold(make.sda(description=name), START, START + HOUR)
    price("1000", device_model="MI250")
    close()
    return ClosedMonth.objects.get(month=START)


def test_all_statements_of_a_month_are_made_and_issued(browser: Client, month: ClosedMonth) -> None:
    asked = act(browser, [month], "make", agreed=False).content.decode()
    assert "A draft of each token" in asked
    assert Statement.objects.count() == 0
    told = said(act(browser, [month], "make"))
    assert any("Statements made: 3, of them issued: 0; issued before: 0." in text for text in told)
    told = said(act(browser, [month], "issue"))
    assert any("Statements made: 3, of them issued: 3; issued before: 0." in text for text in told)
    assert set(Statement.objects.values_list("status", "total")) == {("ISSUED", Decimal(1000))}
    assert any("Corrections issued: 0." in text for text in said(act(browser, [month], "correct")))


def test_some_statements_are_issued_and_corrected(browser: Client, month: ClosedMonth) -> None:
    make_statements(MARCH, actor=make.ACTOR)
    first, second, third = Statement.objects.order_by("customer")
    asked = act(browser, [first, second], "issue", agreed=False).content.decode()
    assert "Issue: 2 statements" in asked
    told = said(act(browser, [first, second], "issue"))
    assert told == [
        f"2025-03 Kim: 202503-{first.token_id}: 1,000 KRW",
        f"2025-03 Lee: 202503-{second.token_id}: 1,000 KRW",
        "Issue: 2 of 2.",
    ]
    Allocation.objects.filter(token=first.token_id).delete()
    close()
    told = said(act(browser, [first, second, third], "correct"))
    assert f"202503-{first.token_id}-1: -1,000 KRW" in told[0]
    assert "It is right as it is." in told[1]
    assert "Only an issued statement can be corrected" in told[2]
    assert Statement.objects.filter(kind="CORRECTION").count() == 1
    page = browser.get(address(Statement, "change", first.pk)).content.decode()
    for text in ("statement.xlsx", "paper/", f"202503-{first.token_id}-1", "ISSUE_STATEMENT"):
        assert text in page, text


FOUND = {"month=2025-03": 3, "month=2025-04": 0, "month=x": 0, "status__exact=DRAFT": 3, "kind__exact=CORRECTION": 0,
         "q=Kim": 1}  # fmt: skip


def test_statements_are_found(browser: Client, month: ClosedMonth) -> None:
    make_statements(MARCH, actor=make.ACTOR)
    token = Statement.objects.values_list("token", flat=True)[0]
    for query, wanted in (FOUND | {f"token={token}": 1}).items():
        shown = browser.get(f"{address(Statement, 'changelist')}?{query}").context["cl"].result_list
        assert len(shown) == wanted, query


def test_who_only_reads_sees_and_does_nothing(month: ClosedMonth) -> None:
    reader = client_of(Role.READ_ONLY)
    make_statements(MARCH, actor=make.ACTOR)
    row, mine = Statement.objects.all()[0], Price.objects.get()
    tries: list[tuple[Model, str]] = [
        (row, "issue"),
        (row, "correct"),
        (month, "issue"),
        (mine, "delete"),
        (mine, "end"),
    ]
    for about, action in tries:
        act(reader, [about], action, valid_until="2026-01-01")
    assert reader.get(address(Price, "add")).status_code == 403
    assert set(Statement.objects.values_list("status", flat=True)) == {"DRAFT"}
    assert Price.objects.get().valid_until is None
    assert reader.get(address(Statement, "change", row.pk)).status_code == 200


def test_the_list_of_statements_leads_to_where_they_are_made(browser: Client, month: ClosedMonth) -> None:
    shown = browser.get(address(Statement, "changelist"))
    assert shown.status_code == 200
    (way,) = set(re.findall(r'href="([^"]*to_months[^"]*)"', shown.content.decode()))
    assert browser.get(way).headers["Location"] == address(ClosedMonth, "changelist")


def test_the_page_of_a_price_names_the_statements_that_used_it(browser: Client, month: ClosedMonth) -> None:
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    mine = Price.objects.get()
    shown = browser.get(address(Price, "change", mine.pk)).content.decode()
    assert shown.count("1,000 KRW") == 3
    answer = browser.post(
        address(Price, "change", mine.pk), {"device_model": "MI250", "amount": "2", "valid_from": "2025-03-01"}
    )
    told = answer.context["adminform"].form.errors["amount"][0]
    assert told.startswith("An issued statement used this price. End it and set a new one.")
    told = said(act(browser, [mine], "delete"))[0]
    assert "An issued statement used this price" in told
    assert Price.objects.get().amount == 1000
