"""Money is exact until a line is rounded, once, half up."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import PriceList, Rate, charge, digits_of, rounded, unrounded

ROUNDED = {
    "a half goes up": (Fraction(1, 2), 0, "1"),
    "less than a half goes down": (Fraction(4999, 10_000), 0, "0"),
    "a half of a minor unit goes up": (Fraction(1005, 1000), 2, "1.01"),
    "a half below zero goes away from zero": (Fraction(-5, 2), 0, "-3"),
    "nothing is nothing": (Fraction(0), 2, "0.00"),
    "many digits are kept": (Fraction(123456789012345678901234567890), 0, "123456789012345678901234567890"),
}


@pytest.mark.parametrize("case", ROUNDED)
def test_rounding(case: str) -> None:
    money, digits, wanted = ROUNDED[case]
    assert str(rounded(money, digits)) == wanted


def test_currencies_have_their_digits() -> None:
    assert [digits_of(name) for name in ("KRW", "JPY", "USD", "EUR", "KWD")] == [0, 0, 2, 2, 3]


def test_an_hour_costs_its_price_and_a_third_of_it_a_third() -> None:
    assert charge(3_600_000, Decimal("1234.567891")) == Fraction("1234.567891")
    assert charge(1_200_000, Decimal(1)) == Fraction(1, 3)
    assert unrounded(Fraction(1, 3)) == Decimal("0." + "3" * 60)


amounts = st.decimals(0, 999_999_999, places=6)
pieces = st.lists(st.integers(0, 10**15), max_size=20)


@given(amounts, pieces)
def test_the_sum_of_the_pieces_is_the_whole(amount: Decimal, parts: list[int]) -> None:
    assert sum((charge(part, amount) for part in parts), Fraction(0)) == charge(sum(parts), amount)


@given(st.fractions(), st.integers(0, 3))
def test_rounding_moves_by_half_a_unit_at_most(money: Fraction, digits: int) -> None:
    moved = abs(Fraction(rounded(money, digits)) - money)
    assert moved <= Fraction(1, 2 * 10**digits)
    assert Fraction(rounded(-money, digits)) == -Fraction(rounded(money, digits))


def _day(number: int) -> date:
    return date.fromordinal(738_000 + number)


@given(st.lists(st.tuples(st.sampled_from([1, 2, "A", "B"]), st.integers(0, 60), st.integers(1, 30)), max_size=12))
def test_between_two_changes_every_rate_stays(drawn: list[tuple[int | str, int, int]]) -> None:
    rates = [
        Rate(number, of if isinstance(of, int) else None, of if isinstance(of, str) else "", Decimal(number), _day(at),
             _day(at + length))
        for number, (of, at, length) in enumerate(drawn)
    ]  # fmt: skip
    prices = PriceList(rates)
    first, last = _day(10), _day(50)
    changes = prices.changes(first, last)
    assert changes == sorted(set(changes))
    assert all(first < day < last for day in changes)
    for before, day in ((_day(number - 1), _day(number)) for number in range(11, 50)):
        for asked in ((1, "A"), (2, "B"), (1, "C"), (3, "A")):
            if day not in changes:
                assert prices.rate(*asked, before) == prices.rate(*asked, day)
