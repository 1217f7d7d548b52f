from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.metering import (
    HOUR_MS,
    HeldDevices,
    Interval,
    clip,
    device_ms,
    held,
    held_between,
    held_by_hour,
    percentage,
    profile,
)

CLIPS = {
    "inside": ((20, 30), [(20, 30)]),
    "over the start": ((5, 30), [(10, 30)]),
    "over the end": ((20, 55), [(20, 50)]),
    "around it all": ((0, 99), [(10, 50)]),
    "still held": ((20, None), [(20, 50)]),
    "ends as the range begins": ((0, 10), []),
    "begins as the range ends": ((50, 60), []),
    "empty": ((20, 20), []),
    "begins after the range, still held": ((60, None), []),
}


@pytest.mark.parametrize("case", CLIPS)
def test_clipping_to_10_until_50(case: str) -> None:
    (start, end), wanted = CLIPS[case]
    assert list(clip([Interval("a", start, end, 3)], 10, 50)) == [("a", *cut, 3) for cut in wanted]


def test_a_time_on_the_hour_belongs_to_the_hour_it_begins() -> None:
    intervals = [Interval("a", HOUR_MS - 1, 2 * HOUR_MS, 8), Interval("b", 2 * HOUR_MS, 2 * HOUR_MS + 5)]
    assert held_by_hour(intervals, 0, 9 * HOUR_MS) == {
        (0, "a"): HeldDevices(0, 8, 8, HOUR_MS),
        (HOUR_MS, "a"): HeldDevices(8, 8, 8 * HOUR_MS, HOUR_MS),
        (2 * HOUR_MS, "b"): HeldDevices(0, 1, 5, HOUR_MS),
    }


def test_one_device_passed_on_without_a_gap_is_held_once() -> None:
    assert profile([Interval("a", 0, 10), Interval("b", 10, 20)], 0, 30) == [(0, 1), (20, 0)]
    assert held([Interval("a", 0, 10), Interval("b", 10, 20)], 0, 20) == HeldDevices(1, 1, 20, 20)


def test_the_average_is_exact() -> None:
    measured = held([Interval("a", 0, 1), Interval("a", 0, 2)], 0, 3)
    assert measured == HeldDevices(0, 2, 3, 3)
    assert held([Interval("a", 0, 1, 8)], 0, 3).average == Fraction(8, 3)
    assert percentage(Fraction(8, 3), 16) == Fraction(50, 3)


def test_nothing_of_nothing() -> None:
    assert held([Interval("a", 0, None)], 5, 5) == HeldDevices(0, 0, 0, 0)
    assert held([], 5, 5).average == 0
    assert held([], 5, 9) == HeldDevices(0, 0, 0, 4)
    assert percentage(0, 0) == 0


times = st.integers(-15, 60)
intervals = st.lists(
    st.builds(Interval, st.sampled_from("abc"), times, times | st.none(), st.integers(1, 8)), max_size=12
)


def by_the_millisecond(drawn: list[Interval[str]], start: int, end: int) -> list[Counter[str]]:
    """Count, for every single millisecond of a range, the devices of each key."""
    return [
        Counter({k: n for k in "abc" if (n := sum(i.devices for i in drawn if i.key == k and _at(i, ms)))})
        for ms in range(start, end)
    ]


def _at(interval: Interval[str], ms: int) -> bool:
    return interval.start_ms <= ms and (interval.end_ms is None or ms < interval.end_ms)


@given(intervals, times, times)
def test_the_sums_are_those_of_every_millisecond(drawn: list[Interval[str]], start: int, end: int) -> None:
    wanted = sum(by_the_millisecond(drawn, start, end), Counter[str]())
    assert device_ms(drawn, start, end) == dict(wanted)


@given(intervals, times, times)
def test_the_profile_is_that_of_every_millisecond(drawn: list[Interval[str]], start: int, end: int) -> None:
    counts = [at_once.total() for at_once in by_the_millisecond(drawn, start, end)]
    measured = held(drawn, start, end)
    if not counts:
        assert measured == HeldDevices(0, 0, 0, 0)
        return
    assert measured == HeldDevices(min(counts), max(counts), sum(counts), len(counts))
    assert measured.average == Fraction(sum(counts), len(counts))
    steps = dict(profile(drawn, start, end))
    assert [steps[ms] for ms in sorted(steps)] == [n for i, n in enumerate(counts) if i == 0 or counts[i - 1] != n]
    assert all(counts[ms - start] == devices for ms, devices in steps.items())


far = st.integers(-3 * HOUR_MS, 30 * HOUR_MS)


@given(
    st.lists(st.builds(Interval, st.sampled_from("abc"), far, far | st.none(), st.integers(1, 8)), max_size=8), far, far
)
def test_the_hours_add_up_and_each_is_the_sum_of_its_own_range(
    drawn: list[Interval[str]], start: int, end: int
) -> None:
    hours = held_by_hour(drawn, start, end)
    totals: Counter[str] = Counter()
    for (hour, key), measured in hours.items():
        assert hour % HOUR_MS == 0
        inside = [Interval(*cut) for cut in clip(drawn, start, end) if cut[0] == key]
        assert measured == held(inside, hour, hour + HOUR_MS)
        totals[key] += measured.device_ms
    assert dict(totals) == device_ms(drawn, start, end)


@given(intervals, st.tuples(times, times, times))
def test_a_range_cut_in_two_loses_nothing(drawn: list[Interval[str]], cuts: tuple[int, int, int]) -> None:
    start, middle, end = sorted(cuts)
    pieces = Counter(device_ms(drawn, start, middle)) + Counter(device_ms(drawn, middle, end))
    assert dict(pieces) == device_ms(drawn, start, end)


@given(intervals, st.lists(times, min_size=2, max_size=8, unique=True))
def test_pieces_of_a_range_are_measured_as_if_each_was_alone(drawn: list[Interval[str]], cuts: list[int]) -> None:
    bounds = sorted(cuts)
    assert held_between(drawn, bounds) == [held(drawn, start, end) for start, end in pairwise(bounds)]


@given(intervals, st.tuples(times, times, times))
def test_what_is_measured_in_two_parts_is_measured_whole(
    drawn: list[Interval[str]], cuts: tuple[int, int, int]
) -> None:
    start, middle, end = sorted(cuts)
    assert held(drawn, start, middle) + held(drawn, middle, end) == held(drawn, start, end)
