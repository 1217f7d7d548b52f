"""Statements: made again while they are drafts, frozen when issued; all of a month at once."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.errors import MonthNotClosed, NothingBilled, StatementFrozen
from billing.models import Price, Statement, StatementLine
from billing.queries.documents import LINE, STATEMENT, json_value
from billing.services.prices import delete_price
from billing.services.statements import Corrected, Made, correct_statements, issue_statement, make_again
from events.admin import request_line
from events.models import Event
from scheduler.models import Allocation
from sda.models import Sda
from sda.services.models import update_sda_model
from tests import make
from tests.billing.statements import make_all
from tests.billing.world import DAY, END, HOUR, MARCH, START, close, hold, lines_of, price
from tokens.services import update_token

pytestmark = pytest.mark.django_db
D = Decimal


def test_a_statement_by_hand() -> None:
    """Two hours and a half at 1,000, in each of two price periods; a line is rounded once, half up."""
    sda = make.sda(description="Kim", max_sda_count=2)
    cheap = make.sda(owner=sda.token)
    hold(sda, START + 14 * DAY - HOUR, START + 14 * DAY + 1.5 * HOUR)
    hold(cheap, START, START + timedelta(minutes=30))
    hold(cheap, START, START + timedelta(seconds=1), device_model="MI300")
    first = price("1000.4", MARCH, date(2025, 3, 15), sda_model=sda.model)
    second = price("2001", date(2025, 3, 15), sda_model=sda.model)
    price("1", device_model="MI250")
    close()
    assert make_all() == Made(1, 0, 0)
    statement = Statement.objects.get()
    assert lines_of(statement) == [
        (sda.model.name, "MI250", D("1000.4"), 3_600_000, D(1000)),
        (sda.model.name, "MI250", D(2001), 5_400_000, D(3002)),  # 3001.5
        (cheap.model.name, "MI250", D(1), 1_800_000, D(1)),  # 0.5
        (cheap.model.name, "MI300", None, 1000, D(0)),
    ]
    assert list(statement.lines.values_list("price", flat=True))[:2] == [first.pk, second.pk]
    assert (statement.total, statement.device_ms, statement.amount) == (D(4003), 10_801_000, "4003")
    assert (statement.status, statement.number, statement.customer, statement.currency) == ("DRAFT", "", "Kim", "KRW")
    assert (statement.starts_at, statement.ends_at, statement.time_zone) == (START, END, "Asia/Seoul")
    assert [line.processing_ms for line in statement.lines.all()] == [0, 0, 0, 0]  # all of it was reserved


def test_a_month_in_which_clocks_change_and_a_price_too(settings: Any) -> None:
    """Berlin's March 2025 has 743 hours; 29 days at 1 and two, of 23 and 24 hours, at 2.25, in euros and cents."""
    settings.TIME_ZONE, settings.MOREH_CURRENCY = "Europe/Berlin", "EUR"
    start, end = datetime(2025, 2, 28, 23, tzinfo=UTC), datetime(2025, 3, 31, 22, tzinfo=UTC)
    sda = make.sda()
    hold(sda, start - DAY, end + DAY)
    price("1", date(2025, 1, 1), date(2025, 3, 30), sda_model=sda.model)
    price("2.25", date(2025, 3, 30), sda_model=sda.model)
    close(start, end)
    make_all()
    statement = Statement.objects.get()
    assert [(ms // 3_600_000, amount) for *_, ms, amount in lines_of(statement)] == [(696, D(696)), (47, D("105.75"))]
    assert statement.amount == "801.75"


def test_a_month_that_is_not_over_has_no_statements() -> None:
    sda = make.sda()
    hold(sda, START, END)
    with pytest.raises(MonthNotClosed):
        make_all()
    close(START, END - HOUR)
    with pytest.raises(MonthNotClosed):
        make_all()
    assert (Statement.objects.count(), Event.objects.filter(action="MAKE_STATEMENTS").count()) == (0, 0)


def test_a_month_with_hours_before_the_first_closed_one_has_no_statements_until_they_are_counted() -> None:
    sda = make.sda()
    hold(sda, START + 3 * DAY, START + 3 * DAY + HOUR)
    close(START + 3 * DAY)
    assert make_all() == Made(1, 0, 0)  # nothing was held before the first closed hour
    hold(sda, START - DAY, START + 1.5 * HOUR)
    for month in (date(2025, 2, 1), MARCH):
        with pytest.raises(MonthNotClosed):
            make_all(month)
    close(START - DAY)
    assert make_all() == Made(1, 0, 0)
    assert Statement.objects.get().device_ms == 2.5 * 3_600_000


def test_a_draft_follows_usage_prices_and_names_and_keeps_its_number() -> None:
    sda = make.sda(description="Kim")
    hold(sda, START, START + HOUR)
    close()
    make_all()
    first = Statement.objects.get()
    assert lines_of(first) == [(sda.model.name, "MI250", None, 3_600_000, D(0))]
    price("5", sda_model=sda.model)
    update_token(sda.token, actor=make.ACTOR, description="Lee")
    update_sda_model(sda.model, actor=make.ACTOR, name="Better")
    again = make_again(first, actor=make.ACTOR)
    assert (again.pk, again.customer, again.total) == (first.pk, "Lee", D(5))
    assert lines_of(again) == [("Better", "MI250", D(5), 3_600_000, D(5))]
    Allocation.objects.all().delete()
    close()
    with pytest.raises(NothingBilled):
        issue_statement(again, actor=make.ACTOR)
    assert make_all() == Made(0, 0, 0)
    assert Statement.objects.count() == 0


def test_issuing_freezes(issued: Statement) -> None:
    assert (issued.number, issued.status, issued.issued_by) == (f"202503-{issued.token_id}", "ISSUED", make.ACTOR.name)
    assert issued.issued_at is not None
    before = Statement.objects.values().get(), list(StatementLine.objects.values())
    update_token(issued.token, actor=make.ACTOR, description="Lee")
    update_sda_model(issued.token.sdas.get().model, actor=make.ACTOR, name="Better")
    price("3000", date(2025, 1, 1), MARCH, sda_model=issued.token.sdas.get().model)
    hold(issued.token.sdas.get(), START + HOUR, START + 2 * HOUR)
    close()
    for verb in (issue_statement, make_again):
        with pytest.raises(StatementFrozen):
            verb(issued, actor=make.ACTOR)
    assert make_all(issue=True) == Made(0, 0, 1)
    assert (Statement.objects.values().get(), list(StatementLine.objects.values())) == before
    event = Event.objects.get(action="ISSUE_STATEMENT")
    assert (event.subject, event.token_id) == (f"statement/{issued.pk}", issued.token_id)
    statement: Any = before[0]
    lines: Any = before[1]
    assert event.request == {
        "month": "2025-03",
        "total": "1000",
        "currency": "KRW",
        "statement": {name: json_value(statement[name]) for name in STATEMENT},
        "lines": [{name: json_value(line[name]) for name in LINE} for line in lines],
    }
    assert event.request["lines"][0]["amount"] == "1000"
    assert set(request_line(event).split(", ")) == {"month: 2025-03", "total: 1000", "currency: KRW"}


FORBIDDEN: dict[str, Callable[[], object]] = {
    "its total": lambda: Statement.objects.update(total=1),
    "its status": lambda: Statement.objects.update(status="DRAFT", number="", issued_at=None),
    "itself": lambda: Statement.objects.all().delete(),
    "a line": lambda: StatementLine.objects.update(amount=1),
    "a line away": lambda: StatementLine.objects.all().delete(),
    "a line more": lambda: StatementLine.objects.create(
        statement_id=Statement.objects.values_list("pk", flat=True).get(), place=9, sda_model=make.sda_model(),
        device_ms=1, preparing_ms=0, reserved_ms=0, amount=0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nobody_changes_what_is_issued_not_even_past_the_services(what: str, issued: Statement) -> None:
    with pytest.raises(DatabaseError, match="an issued statement never changes"), transaction.atomic():
        FORBIDDEN[what]()


def test_a_line_is_rounded_once() -> None:
    """Forty-five hundredths are nothing; rounded to tenths first, they would be one."""
    sda = make.sda()
    hold(sda, START, START + 0.45 * HOUR)
    price("1", sda_model=sda.model)
    close()
    make_all()
    assert lines_of(Statement.objects.get())[0][2:] == (D(1), 1_620_000, D(0))


def test_the_price_of_a_draft_can_be_deleted() -> None:
    sda = make.sda()
    hold(sda, START, START + HOUR)
    mine = price("7", sda_model=sda.model)
    close()
    make_all()
    delete_price(mine, actor=make.ACTOR)
    make_all(issue=True)
    assert Statement.objects.get().total == 0


def test_twice_is_once_and_who_comes_late_is_added(issued: Statement) -> None:
    hold(make.sda(), START, START + HOUR)
    close()
    assert make_all() == Made(1, 0, 1)
    assert make_all(issue=True) == Made(1, 1, 1)
    assert make_all(issue=True) == Made(0, 0, 2)
    assert correct_statements(MARCH, actor=make.ACTOR) == Corrected(0)
    assert Statement.objects.count() == 2


def test_issuing_some_leaves_the_other_drafts() -> None:
    sdas = [make.sda() for _ in range(3)]
    for sda in sdas:
        hold(sda, START, START + HOUR)
    close()
    make_all()
    assert make_all(tokens=[sda.token_id for sda in sdas[:2]], issue=True) == Made(2, 2, 0)
    assert Statement.objects.get(status="DRAFT").token == sdas[2].token


def test_the_number_of_tokens_costs_no_query() -> None:
    def queries(number: int) -> tuple[int, ...]:
        sdas = [make.sda() for _ in range(number)]
        _hold_all(sdas, START)
        make_all()
        counts = [_count(make_all), _count(lambda: make_all(issue=True))]
        _hold_all(sdas, START + HOUR)
        counts.append(_count(lambda: correct_statements(MARCH, actor=make.ACTOR)))
        assert Statement.objects.filter(kind="CORRECTION", token__in=[sda.token_id for sda in sdas]).count() == number
        return tuple(counts)

    price("3", date(2025, 3, 5), device_model="MI250")
    assert queries(1) == queries(20)


def _hold_all(sdas: Sequence[Sda], start: datetime) -> None:
    for sda in sdas:
        hold(sda, start, start + HOUR)
    close()


def _count(verb: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        verb()
    return len(seen)


def test_the_command_makes_issues_and_corrects(capsys: pytest.CaptureFixture[str]) -> None:
    sda = make.sda()
    hold(sda, START, START + HOUR)
    with pytest.raises(CommandError, match="not complete"):
        call_command("make_statements", "2025-03")
    close()
    call_command("make_statements", "2025-03")
    call_command("make_statements", "2025-03", "--issue")
    hold(sda, START + HOUR, START + 2 * HOUR)
    close()
    with pytest.raises(CommandError, match="1 differences"):
        call_command("prove")
    call_command("make_statements", "2025-03", "--correct")
    call_command("prove")
    assert capsys.readouterr().out.splitlines()[:3] == [
        "Statements made: 1, of them issued: 0; issued before: 0, of them corrected: 0.",
        "Statements made: 1, of them issued: 1; issued before: 0, of them corrected: 0.",
        "Statements made: 0, of them issued: 0; issued before: 1, of them corrected: 1.",
    ]


def test_the_largest_price_and_total_keep_their_digits() -> None:
    sda = make.sda()
    hold(sda, START, START + 999 * HOUR / 1000)
    mine = price("999999999.999999", sda_model=sda.model)
    close()
    make_all(issue=True)
    assert Price.objects.get(pk=mine.pk).amount == D("999999999.999999")
    assert lines_of(Statement.objects.get())[0][2:] == (D("999999999.999999"), 3_596_400, D(999_000_000))
