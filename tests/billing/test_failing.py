"""One customer's odd figure never stops a month for the others: who failed is named, and all others are made."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.choices import Role
from alerts.models import Alert
from billing.audit import audit_billing
from billing.errors import AmountTooLarge, SettingsChanged
from billing.models import Statement
from billing.queries.budgets import BudgetUse, this_month
from billing.services.budgets import create_budget
from billing.services.checking import _settle
from billing.services.prices import change_price
from billing.services.statements import correct_statement, correct_statements, issue_statement, make_statements
from events.models import Event
from sda.models import Sda
from tests import make
from tests.admin_world import client_of
from tests.alerts.heard import AlertChanges, by_category
from tests.billing.test_admin import act, said
from tests.billing.world import DAY, END, HOUR, MARCH, START, close, hold, price
from tokens.choices import BudgetKind
from usage.models import ClosedMonth

pytestmark = pytest.mark.django_db
TOO_LARGE = "The statement of a token would be larger than can be written. Look at its prices."


@pytest.fixture
def rich() -> Sda:
    """An SDA whose month costs 10^12 and more, beside another one's hour of 1,000."""
    rich, other = make.sda(description="Rich"), make.sda(description="Other")
    for number in range(2):
        hold(rich, START, END, device_model=f"M{number}")
    hold(other, START, START + HOUR)
    price("999999999", sda_model=rich.model)
    price("1000", sda_model=other.model)
    close()
    return rich


def _open_alerts() -> list[tuple[str, str, str]]:
    rows = Alert.objects.filter(cleared_at__isnull=True, category="STATEMENT_FAILED")
    return [(str(alert.subject), alert.level, alert.text) for alert in rows]


def test_who_cannot_be_billed_is_named_and_all_others_are_issued(rich: Sda) -> None:
    made = make_statements(MARCH, actor=make.ACTOR, issue=True)
    assert (made.made, made.issued, made.left) == (1, 1, 0)
    assert [(one.token, type(one.error)) for one in made.failed] == [(rich.token_id, AmountTooLarge)]
    assert list(Statement.objects.values_list("customer", "status", "total")) == [("Other", "ISSUED", Decimal(1000))]
    whose = f"token/{rich.token_id}"
    assert _open_alerts() == [(whose, "CRITICAL", f"2025-03: Rich ({whose}): {TOO_LARGE}")]
    event = Event.objects.get(action="FAIL_STATEMENT")
    assert (event.subject, event.token_id) == (whose, rich.token_id)
    assert event.request == {"month": "2025-03", "reason": f"Rich ({whose}): {TOO_LARGE}"}
    assert Event.objects.get(action="MAKE_STATEMENTS").request["statements"] == 1
    assert audit_billing().differences == []


def test_the_alert_closes_when_the_statement_is_made(rich: Sda, alert_changes: AlertChanges) -> None:
    make_statements(MARCH, actor=make.ACTOR)
    make_statements(MARCH, actor=make.ACTOR)
    change_price(rich.model.prices.get(), amount=Decimal(1), actor=make.ACTOR)
    assert len(_open_alerts()) == 1
    assert make_statements(MARCH, actor=make.ACTOR).made == 2
    assert _open_alerts() == []
    assert by_category(alert_changes) == [("STATEMENT_FAILED", "RAISED"), ("STATEMENT_FAILED", "CLEARED")]


def test_a_single_draft_that_became_too_large_stays_as_it_is(rich: Sda) -> None:
    dear = rich.model.prices.get()
    change_price(dear, amount=Decimal(1), actor=make.ACTOR)
    make_statements(MARCH, actor=make.ACTOR)
    change_price(dear, amount=Decimal("999999999"), actor=make.ACTOR)
    draft = Statement.objects.get(customer="Rich")
    with pytest.raises(AmountTooLarge) as refusal:
        issue_statement(draft, actor=make.ACTOR)
    assert refusal.value.details == {"token": rich.token_id}
    assert (Statement.objects.get(pk=draft.pk).total, _open_alerts()) == (Decimal(1488), [])


def test_the_command_issues_the_others_names_who_failed_and_says_so_by_its_status(
    rich: Sda, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError) as failure:
        call_command("make_statements", "2025-03", "--issue")
    named = f"Rich (token/{rich.token_id}): {TOO_LARGE}"
    assert (str(failure.value), failure.value.returncode) == (f"1 could not be made:\n{named}", 1)
    assert capsys.readouterr().out.startswith("Statements made: 1, of them issued: 1;")
    assert Statement.objects.get().customer == "Other"


@pytest.mark.usefixtures("static_files")
def test_the_console_names_who_failed(rich: Sda) -> None:
    browser: Client = client_of(Role.GENERAL)
    told = said(act(browser, [ClosedMonth.objects.get()], "issue"))
    named = f"1 failed: Rich (token/{rich.token_id}): {TOO_LARGE}"
    assert any(f"Statements made: 1, of them issued: 1; issued before: 0. {named}" in text for text in told)


@pytest.fixture
def issued() -> list[Sda]:
    """Two SDAs with an issued hour each; the first one's hour costs 900,000,000."""
    sdas = [make.sda(description=name) for name in ("Rich", "Other")]
    for sda, amount in zip(sdas, ("900000000", "1000"), strict=True):
        price(amount, sda_model=sda.model)
        hold(sda, START, START + HOUR)
    close()
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    return sdas


def test_a_correction_that_cannot_be_written_fails_alone(issued: list[Sda]) -> None:
    rich, other = issued
    for number in range(2):
        hold(rich, START + DAY, END, device_model=f"M{number}")
    hold(other, START + DAY, START + DAY + HOUR)
    close()
    corrected = correct_statements(MARCH, actor=make.ACTOR)
    assert (corrected.issued, [one.token for one in corrected.failed]) == (1, [rich.token_id])
    assert [*Statement.objects.filter(kind="CORRECTION").values_list("customer", "total")] == [("Other", Decimal(1000))]
    assert [subject for subject, *_ in _open_alerts()] == [f"token/{rich.token_id}"]
    with pytest.raises(AmountTooLarge):
        correct_statement(Statement.objects.get(customer="Rich"), actor=make.ACTOR)


def test_who_was_billed_in_another_currency_is_not_corrected_and_all_others_are(
    issued: list[Sda], settings: Any
) -> None:
    settings.MOREH_CURRENCY = "USD"
    with pytest.raises(SettingsChanged):
        correct_statements(MARCH, actor=make.ACTOR)
    late = make.sda(description="Late")
    price("1", sda_model=late.model)
    hold(late, START, START + HOUR)
    close()
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    for sda in (*issued, late):
        hold(sda, START + DAY, START + DAY + HOUR)
    close()
    corrected = correct_statements(MARCH, actor=make.ACTOR)
    assert corrected.issued == 1
    assert [(one.token, type(one.error)) for one in corrected.failed] == [
        (sda.token_id, SettingsChanged) for sda in issued
    ]
    assert Statement.objects.get(kind="CORRECTION").customer == "Late"


@pytest.mark.parametrize(("last", "fits"), [(timedelta(hours=512), False), (timedelta(hours=512, seconds=-1), True)])
def test_a_total_of_thirteen_digits_is_too_large(last: timedelta, fits: bool) -> None:
    sda = make.sda()
    for model, length in (("A", 31 * DAY), ("B", 31 * DAY), ("C", last)):
        hold(sda, START, START + length, device_model=model)
    price("500000000", sda_model=sda.model)
    close()
    assert len(make_statements(MARCH, actor=make.ACTOR).failed) == (0 if fits else 1)
    assert [*Statement.objects.values_list("total", flat=True)] == ([10**12 - 138_889] if fits else [])


def test_a_budget_of_which_very_much_is_spent_is_told_beside_the_others() -> None:
    month, tokens = this_month(), [make.token(), make.token()]
    budgets = [create_budget(token, BudgetKind.MONEY, amount=Decimal(1), actor=make.ACTOR) for token in tokens]
    spent = {tokens[0].pk: Fraction(10**40, 7), tokens[1].pk: Fraction(1)}
    _settle([token.pk for token in tokens], BudgetUse(month, {BudgetKind.MONEY: spent}))
    told = Event.objects.filter(action="SPEND_BUDGET").order_by("pk").values_list("subject", "request")
    assert [(subject, request["spent"]) for subject, request in told] == [
        (f"budget/{budgets[0].pk}", str(round(Fraction(10**40, 7)))),
        (f"budget/{budgets[1].pk}", "1"),
    ]
