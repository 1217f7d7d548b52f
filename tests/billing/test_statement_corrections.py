"""Corrections: the difference from what was billed, to the last digit, in statements of their own."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.audit import audit_billing
from billing.errors import NotIssued, SettingsChanged
from billing.models import Statement
from billing.services.statements import Corrected, correct_statement, correct_statements
from events.models import Event
from scheduler.models import Allocation
from tests import make
from tests.billing.statements import make_all
from tests.billing.world import DAY, END, HOUR, MARCH, START, close, hold, lines_of, price

pytestmark = pytest.mark.django_db
D = Decimal


def test_a_correction_tells_the_difference_and_a_second_one_the_rest(issued: Statement) -> None:
    sda = issued.token.sdas.get()
    assert correct_statement(issued, actor=make.ACTOR) is None
    hold(sda, START + HOUR, START + 1.5 * HOUR)
    close()
    whose = f"statement 2025-03 token {issued.token_id} as SDA model {sda.model_id}, MI250"
    seen = "billed 3600000 ms (0 preparing, 3600000 reserved), used 5400000 ms (0 preparing, 5400000 reserved)"
    assert audit_billing().differences == [f"{whose}: {seen}"]
    first = correct_statement(issued, actor=make.ACTOR)
    assert first
    assert (first.number, first.kind, first.status) == (f"{issued.number}-1", "CORRECTION", "ISSUED")
    assert (first.corrects_id, first.total, first.device_ms) == (issued.pk, D(500), 1_800_000)
    assert lines_of(first) == [(sda.model.name, "MI250", D(1000), 1_800_000, D(500))]
    Allocation.objects.filter(started_at=START).delete()
    close()
    second = correct_statement(first, actor=make.ACTOR)
    assert second
    assert (second.number, second.corrects_id, second.total) == (f"{issued.number}-2", issued.pk, D(-1000))
    assert lines_of(second) == [(sda.model.name, "MI250", D(1000), -3_600_000, D(-1000))]
    assert correct_statement(second, actor=make.ACTOR) is None
    assert audit_billing().differences == []
    assert Event.objects.filter(action="CORRECT_STATEMENT").count() == 2


def test_rounding_of_corrections_adds_up_to_that_of_the_whole(issued: Statement) -> None:
    """A quarter of a won more, twice: 1000.25 is billed as nothing more, 1000.5 as one."""
    sda = issued.token.sdas.get()
    amounts = []
    for number in (1, 2):
        hold(sda, START + number * HOUR, START + number * HOUR + timedelta(milliseconds=900))
        close()
        found = correct_statement(issued, actor=make.ACTOR)
        amounts.append(found and (found.device_ms, found.total))
    assert amounts == [(900, D(0)), (900, D(1))]


def test_what_was_not_used_after_all_is_given_back_at_its_price(issued: Statement) -> None:
    Allocation.objects.all().delete()
    close()
    found = correct_statement(issued, actor=make.ACTOR)
    assert found
    assert [line[1:] for line in lines_of(found)] == [("MI250", D(1000), -3_600_000, D(-1000))]


def test_a_price_that_is_set_later_is_billed_by_a_correction() -> None:
    sda = make.sda()
    hold(sda, START, START + HOUR)
    close()
    make_all(issue=True)
    price("7", sda_model=sda.model)
    assert correct_statements(MARCH, actor=make.ACTOR) == Corrected(1)
    assert lines_of(Statement.objects.get(kind="CORRECTION")) == [
        (sda.model.name, "MI250", None, -3_600_000, D(0)),
        (sda.model.name, "MI250", D(7), 3_600_000, D(7)),
    ]


def test_a_correction_in_another_currency_or_zone_is_refused(issued: Statement, settings: Any) -> None:
    settings.MOREH_CURRENCY = "USD"
    with pytest.raises(SettingsChanged):
        correct_statement(issued, actor=make.ACTOR)
    settings.MOREH_CURRENCY, settings.TIME_ZONE = "KRW", "Asia/Tokyo"
    assert correct_statement(issued, actor=make.ACTOR) is None  # the same midnights
    settings.TIME_ZONE = "UTC"
    close(START, END + DAY)
    with pytest.raises(SettingsChanged):
        correct_statement(issued, actor=make.ACTOR)


def test_a_draft_is_not_corrected() -> None:
    hold(make.sda(), START, START + HOUR)
    close()
    make_all()
    with pytest.raises(NotIssued):
        correct_statement(Statement.objects.get(), actor=make.ACTOR)
