"""Prices: of one model each, never two at a time, and never another than an issued statement used."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.errors import PriceInUse, PriceOverlap
from billing.models import Budget, Price
from billing.services.prices import change_price, create_price, delete_price, end_price, replace_price
from billing.services.statements import make_statements
from core.errors import DomainError, InvalidParameter, NotFound
from events.models import Event
from sda.models import Sda
from tests import make
from tests.billing.world import DAY, END, HOUR, MARCH, START, close, hold, price
from tokens.choices import BudgetKind

pytestmark = pytest.mark.django_db
APRIL, MAY = date(2025, 4, 1), date(2025, 5, 1)

# sentence: (from, until, whether it is refused beside a price of March)
OVERLAPS: dict[str, tuple[date, date | None, bool]] = {
    "inside": (date(2025, 3, 10), date(2025, 3, 11), True),
    "around": (date(2025, 1, 1), None, True),
    "over its start": (date(2025, 2, 1), date(2025, 3, 2), True),
    "over its last day": (date(2025, 3, 31), MAY, True),
    "until it begins": (date(2025, 2, 1), MARCH, False),
    "from its end on": (APRIL, None, False),
}


@pytest.mark.parametrize("of", ["an SDA model", "a device model"])
@pytest.mark.parametrize("case", OVERLAPS)
def test_two_prices_of_the_same_never_overlap(case: str, of: str) -> None:
    since, until, refused = OVERLAPS[case]
    what: dict[str, Any] = {"device_model": "MI250"} if of == "a device model" else {"sda_model": make.sda_model()}
    price("1", MARCH, APRIL, **what)
    price("1", MARCH, None, device_model="MI300")
    if not refused:
        price("2", since, until, **what)
        return
    with pytest.raises(PriceOverlap) as refusal:
        price("2", since, until, **what)
    assert refusal.value.details == {"validFrom": "2025-03-01", "validUntil": "2025-04-01"}
    assert Price.objects.count() == 2


@pytest.mark.only_postgresql
@pytest.mark.parametrize("of", ["an SDA model", "a device model"])
def test_the_database_forbids_it_too(of: str) -> None:
    what: dict[str, Any] = {"device_model": "MI250"} if of == "a device model" else {"sda_model": make.sda_model()}
    price("1", MARCH, APRIL, **what)
    Price.objects.create(amount=1, valid_from=APRIL, **what)
    with pytest.raises(IntegrityError, match="price_no_overlap"), transaction.atomic():
        Price.objects.create(amount=1, valid_from=date(2025, 3, 31), valid_until=APRIL, **what)


NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "of nothing": ({}, "sdaModel"),
    "of both": ({"device_model": "MI250", "sda_model": True}, "sdaModel"),
    "below zero": ({"device_model": "MI250", "amount": Decimal("-0.1")}, "amount"),
    "seven decimals": ({"device_model": "MI250", "amount": Decimal("0.0000001")}, "amount"),
    "no number": ({"device_model": "MI250", "amount": Decimal("NaN")}, "amount"),
    "too much": ({"device_model": "MI250", "amount": Decimal(1_000_000_000)}, "amount"),
    "without a day": ({"device_model": "MI250", "valid_until": MARCH}, "validUntil"),
    "before all times": ({"device_model": "MI250", "valid_from": date(1, 1, 1)}, "validFrom"),
    "until after all times": ({"device_model": "MI250", "valid_until": date(9999, 12, 31)}, "validUntil"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_parameter(case: str) -> None:
    given, parameter = NONSENSE[case]
    given = {"amount": Decimal(1), "valid_from": MARCH, **given}
    if "sda_model" in given:
        given["sda_model"] = make.sda_model()
    with pytest.raises(InvalidParameter) as refusal:
        create_price(actor=make.ACTOR, **given)
    assert refusal.value.details["parameter"] == parameter
    assert Price.objects.count() == 0


def test_every_verb_has_its_event() -> None:
    made = price("1.5", device_model=" MI250 ")
    pk = made.pk
    change_price(made, actor=make.ACTOR, amount=Decimal(2))
    end_price(made, APRIL, actor=make.ACTOR)
    delete_price(made, actor=make.ACTOR)
    about = {"deviceModel": "MI250", "validFrom": "2025-03-01"}
    assert list(Event.objects.order_by("pk").values_list("action", "request")) == [
        ("CREATE_PRICE", {**about, "amount": "1.5", "validUntil": None}),
        ("UPDATE_PRICE", {**about, "amount": "2", "validUntil": None}),
        ("END_PRICE", {**about, "amount": "2.000000", "validUntil": "2025-04-01"}),
        ("DELETE_PRICE", {**about, "amount": "2.000000", "validUntil": "2025-04-01"}),
    ]
    assert set(Event.objects.values_list("subject", flat=True)) == {f"price/{pk}"}


def test_a_price_is_replaced_at_a_day() -> None:
    first = price("1", MARCH, MAY, device_model="MI250")
    second = replace_price(first, amount=Decimal(2), valid_from=APRIL, actor=make.ACTOR)
    rows = Price.objects.order_by("valid_from").values_list("pk", "amount", "valid_from", "valid_until")
    assert list(rows) == [(first.pk, Decimal(1), MARCH, APRIL), (second.pk, Decimal(2), APRIL, MAY)]
    for day in (MARCH, date(2025, 2, 1), APRIL):
        with pytest.raises(InvalidParameter):
            replace_price(first, amount=Decimal(3), valid_from=day, actor=make.ACTOR)
    assert Price.objects.count() == 2


@pytest.fixture
def used() -> Price:
    """A price of March to May that an issued statement of March used."""
    return _used_until(MAY)


def _used_until(end: date) -> Price:
    sda = make.sda()
    hold(sda, START, START + HOUR)
    mine = price("1", MARCH, end, sda_model=sda.model)
    close()
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    return mine


REFUSED: dict[str, Callable[[Price], object]] = {
    "another amount": lambda mine: change_price(mine, actor=make.ACTOR, amount=Decimal(2)),
    "another start": lambda mine: change_price(mine, actor=make.ACTOR, valid_from=date(2025, 2, 1)),
    "an end within the month": lambda mine: change_price(mine, actor=make.ACTOR, valid_until=date(2025, 3, 31)),
    "it ends within the month": lambda mine: end_price(mine, date(2025, 3, 31), actor=make.ACTOR),
    "it is replaced within the month": lambda mine: replace_price(
        mine, amount=Decimal(1), valid_from=date(2025, 3, 2), actor=make.ACTOR
    ),
    "it is deleted": lambda mine: delete_price(mine, actor=make.ACTOR),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_issued_statement_used_stays(case: str, used: Price) -> None:
    with pytest.raises(PriceInUse) as refusal:
        REFUSED[case](used)
    assert refusal.value.details["usedUntil"] == "2025-04-01"
    assert Price.objects.values_list("amount", "valid_from", "valid_until").get() == (Decimal(1), MARCH, MAY)


def test_what_an_issued_statement_used_may_end_after_it(used: Price) -> None:
    change_price(used, actor=make.ACTOR, valid_until=APRIL)
    change_price(used, actor=make.ACTOR, valid_until=None)
    end_price(used, APRIL, actor=make.ACTOR)
    assert Price.objects.get().valid_until == APRIL


def test_a_price_that_ended_within_the_month_was_used_until_then_and_may_end_later() -> None:
    used = _used_until(date(2025, 3, 15))
    with pytest.raises(PriceInUse) as refusal:
        end_price(used, date(2025, 3, 14), actor=make.ACTOR)
    assert refusal.value.details["usedUntil"] == "2025-03-15"
    change_price(used, actor=make.ACTOR, valid_until=date(2025, 3, 16))
    assert Price.objects.get().valid_until == date(2025, 3, 16)


def test_the_last_month_that_used_a_price_counts(used: Price) -> None:
    hold(Sda.objects.get(), END, END + HOUR)
    close(END, END + 30 * DAY)
    make_statements(APRIL, actor=make.ACTOR, issue=True)
    with pytest.raises(PriceInUse) as refusal:
        end_price(used, date(2025, 4, 30), actor=make.ACTOR)
    assert refusal.value.details["usedUntil"] == "2025-05-01"


def test_what_has_gone_is_not_found() -> None:
    mine, same = price("1", device_model="MI250"), Price.objects.get()
    delete_price(mine, actor=make.ACTOR)
    verbs: Any = (delete_price, lambda row, actor: end_price(row, APRIL, actor=actor))
    for verb in verbs:
        with pytest.raises(NotFound):
            verb(same, actor=make.ACTOR)
    with pytest.raises(DomainError):
        change_price(same, actor=make.ACTOR, amount=Decimal(1))


@pytest.mark.only_postgresql
@pytest.mark.parametrize("model", [Price, Budget])
def test_an_amount_is_a_number_in_the_database_too(model: type[Price | Budget]) -> None:
    if model is Price:
        price("1", MARCH, device_model="MI250")
    else:
        Budget.objects.create(token=make.token(), kind=BudgetKind.DEVICE_HOURS, amount=1)
    with pytest.raises(IntegrityError, match="_amount"), transaction.atomic():
        make.sql(f"UPDATE {model._meta.db_table} SET amount = 'NaN'")  # noqa: S608 - our own name
    assert [row.amount for row in model.objects.all()] == [1]
