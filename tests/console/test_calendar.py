"""Ranges by their names and the pieces of a chart, also where clocks are changed and hours do not fall together."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.calendar import PRESETS, unit_for
from usage.calendar import Unit, bounds

SEOUL, BERLIN, KOLKATA = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
NOW = datetime(2024, 3, 31, 16, 20, tzinfo=UTC)  # the first of April, 01:20, in Seoul


def utc(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


NAMED = {
    "today": ("2024-03-31T15:00", "2024-03-31T16:20"),
    "7d": ("2024-03-24T16:00", "2024-03-31T16:20"),
    "month": ("2024-03-31T15:00", "2024-03-31T16:20"),
    "last-month": ("2024-02-29T15:00", "2024-03-31T15:00"),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_named_range_begins_and_ends_by_the_clocks_of_the_installation(name: str) -> None:
    assert PRESETS[name](NOW, SEOUL) == tuple(map(utc, NAMED[name]))


UNITS = {
    "three days": (timedelta(hours=72), Unit.HOUR),
    "a little more": (timedelta(hours=72, milliseconds=1), Unit.DAY),
    "a year": (timedelta(days=366), Unit.DAY),
    "two years": (timedelta(days=731), Unit.MONTH),
}


@pytest.mark.parametrize("case", UNITS)
def test_the_length_of_a_range_decides_the_pieces(case: str) -> None:
    length, unit = UNITS[case]
    assert unit_for(NOW, NOW + length) == unit


def test_the_day_on_which_clocks_go_forward_has_23_hours_and_the_other_25() -> None:
    spring = bounds(utc("2024-03-30T12:00"), utc("2024-04-01T12:00"), Unit.DAY, BERLIN)
    assert spring == [utc(f"2024-{at}") for at in ("03-30T12:00", "03-30T23:00", "03-31T22:00", "04-01T12:00")]
    autumn = bounds(utc("2024-10-26T22:00"), utc("2024-10-27T23:00"), Unit.HOUR, BERLIN)
    assert len(autumn) == 26


def test_hours_and_days_of_a_zone_between_the_hours() -> None:
    hours = bounds(utc("2024-03-10T18:10"), utc("2024-03-10T20:00"), Unit.HOUR, KOLKATA)
    assert hours == [utc(f"2024-03-10T{at}") for at in ("18:10", "18:30", "19:30", "20:00")]
    days = bounds(utc("2024-03-10T18:30"), utc("2024-03-12T18:30"), Unit.DAY, KOLKATA)
    assert days == [utc(f"2024-03-{day}T18:30") for day in (10, 11, 12)]


def test_months_are_as_long_as_they_are() -> None:
    months = bounds(utc("2024-01-31T00:00"), utc("2024-04-01T00:00"), Unit.MONTH, SEOUL)
    wanted = ["2024-01-31T00:00", "2024-01-31T15:00", "2024-02-29T15:00", "2024-03-31T15:00", "2024-04-01T00:00"]
    assert months == list(map(utc, wanted))
