"""Statements: made again while they are drafts, frozen when issued, corrected beside; all of a month at once."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.errors import AmountTooLarge, MonthNotClosed, NothingBilled, NotIssued, SettingsChanged, StatementFrozen
from billing.models import Price, Statement, StatementLine
from billing.proof import prove
from billing.services.prices import delete_price
from billing.services.statements import (
    Made,
    correct_statement,
    correct_statements,
    issue_statement,
    make_again,
    make_statements,
)
from moreh_cloud.events.models import Event
from scheduler.models import Allocation
from sda.models import Sda
from sda.services.models import update_sda_model
from tests import make
from tests.billing.world import DAY, END, HOUR, MARCH, START, close, hold, lines_of, price
from tokens.services import update_token

pytestmark = pytest.mark.django_db
D = Decimal


def make_all(month: date = MARCH, **how: Any) -> Made:
    return make_statements(month, actor=make.ACTOR, **how)


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


@pytest.fixture
def issued() -> Statement:
    """A statement of one hour at 1,000."""
    sda = make.sda(description="Kim")
    hold(sda, START, START + HOUR)
    price("1000", sda_model=sda.model)
    close()
    make_all()
    return issue_statement(Statement.objects.get(), actor=make.ACTOR)


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
    assert event.request == {"month": "2025-03", "total": "1000", "currency": "KRW"}


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


def test_a_correction_tells_the_difference_and_a_second_one_the_rest(issued: Statement) -> None:
    sda = issued.token.sdas.get()
    assert correct_statement(issued, actor=make.ACTOR) is None
    hold(sda, START + HOUR, START + 1.5 * HOUR)
    close()
    whose = f"statement 2025-03 token {issued.token_id} as SDA model {sda.model_id}, MI250"
    assert prove().differences == [f"{whose}: billed 3600000 ms, used 5400000 ms"]
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
    assert prove().differences == []
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


def test_a_line_is_rounded_once() -> None:
    """Forty-five hundredths are nothing; rounded to tenths first, they would be one."""
    sda = make.sda()
    hold(sda, START, START + 0.45 * HOUR)
    price("1", sda_model=sda.model)
    close()
    make_all()
    assert lines_of(Statement.objects.get())[0][2:] == (D(1), 1_620_000, D(0))


def test_a_price_that_is_set_later_is_billed_by_a_correction() -> None:
    sda = make.sda()
    hold(sda, START, START + HOUR)
    close()
    make_all(issue=True)
    price("7", sda_model=sda.model)
    assert correct_statements(MARCH, actor=make.ACTOR) == 1
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
    assert correct_statements(MARCH, actor=make.ACTOR) == 0
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
        "1 statements made, 0 of them issued; 0 had been issued before, 0 of them corrected.",
        "1 statements made, 1 of them issued; 0 had been issued before, 0 of them corrected.",
        "0 statements made, 0 of them issued; 1 had been issued before, 1 of them corrected.",
    ]


def test_the_largest_price_and_total_keep_their_digits() -> None:
    sda = make.sda()
    hold(sda, START, START + 999 * HOUR / 1000)
    mine = price("999999999.999999", sda_model=sda.model)
    close()
    make_all(issue=True)
    assert Price.objects.get(pk=mine.pk).amount == D("999999999.999999")
    assert lines_of(Statement.objects.get())[0][2:] == (D("999999999.999999"), 3_596_400, D(999_000_000))


@pytest.mark.parametrize(("last", "fits"), [(timedelta(hours=512), False), (timedelta(hours=512, seconds=-1), True)])
def test_a_total_of_thirteen_digits_is_too_large(last: timedelta, fits: bool) -> None:
    sda = make.sda()
    for model, length in (("A", 31 * DAY), ("B", 31 * DAY), ("C", last)):
        hold(sda, START, START + length, device_model=model)
    price("500000000", sda_model=sda.model)
    close()
    if fits:
        make_all()
        assert Statement.objects.get().total == 10**12 - 138_889
        return
    with pytest.raises(AmountTooLarge):
        make_all()


def test_a_total_that_cannot_be_written_is_refused_by_its_token() -> None:
    sda, other = make.sda(), make.sda()
    for number in range(2):
        hold(sda, START, END, device_model=f"M{number}")
    hold(other, START, START + HOUR)
    price("999999999", sda_model=sda.model)
    close()
    with pytest.raises(AmountTooLarge) as refusal:
        make_all()
    assert (refusal.value.details, Statement.objects.count()) == ({"token": sda.token_id}, 0)
