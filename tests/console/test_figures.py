"""How figures are written."""

import pytest

from console.templatetags.figures import amount, device_hours, percent_of, whole

PERCENTAGES = {
    "none": (0, 8, "0 %"),
    "hardly any": (1, 10_000, "< 1 %"),
    "a third": (1, 3, "33 %"),
    "all but one": (9_999, 10_000, "> 99 %"),
    "all": (8, 8, "100 %"),
    "of nothing": (0, 0, ""),
}


@pytest.mark.parametrize("case", PERCENTAGES)
def test_what_is_there_is_never_nothing_and_what_is_missing_never_all(case: str) -> None:
    part, of, text = PERCENTAGES[case]
    assert percent_of(part, of) == text


AMOUNTS = {0.0: "0.00", 0.00001: "< 0.0001", 0.00123: "0.0012", 0.05: "0.05", 0.126: "0.13", 65536.004: "65,536.00"}


@pytest.mark.parametrize("value", AMOUNTS)
def test_small_amounts_keep_two_digits(value: float) -> None:
    assert amount(value) == AMOUNTS[value]


def test_hours_and_whole_numbers_are_easy_to_read() -> None:
    assert (device_hours(5_400_000), device_hours(36_000_000_000), whole(80_000)) == ("1.50", "10,000.00", "80,000")
