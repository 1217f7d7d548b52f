"""Sums over any range, from closed hours and allocations, are those of the allocations alone."""

import random
from datetime import timedelta

import pytest
from django.db.models import F, Q

from console.queries.extremes import extremes
from console.queries.periods import Period, held_intervals, ms_by_token, total_ms
from core.clock import to_ms
from scheduler.models import Allocation
from tests import make
from tests.console.allocations import HOUR, MINUTE, NINE, hold
from tokens.models import Token
from usage.metering import HOUR_MS, device_ms, held
from usage.services import recount_hours

pytestmark = pytest.mark.django_db
MIN_MS = 60_000


def close(hours: int) -> None:
    """Close so many hours from nine on."""
    for number in range(hours):
        recount_hours(NINE + number * HOUR, NINE + number * HOUR + HOUR, actor=make.ACTOR)


def test_closed_hours_are_read_and_not_counted_again() -> None:
    node, token = make.backend(1), make.token()
    hold(token, node, NINE, NINE + 3 * HOUR)
    close(2)
    Allocation.objects.filter(token=token).update(ended_at=NINE + HOUR)  # so that it is seen which of the two is read
    assert ms_by_token(Period(NINE, NINE + 2 * HOUR)) == {token.pk: 2 * HOUR_MS}
    assert ms_by_token(Period(NINE - MINUTE, NINE + 30 * MINUTE)) == {token.pk: 30 * MIN_MS}


def test_before_any_hour_is_closed_all_comes_from_allocations() -> None:
    token = make.token()
    hold(token, make.backend(1), NINE + 50 * MINUTE, None)
    over = Period(NINE, NINE + 2 * HOUR)
    assert (ms_by_token(over), total_ms(over)) == ({token.pk: 70 * MIN_MS}, 70 * MIN_MS)


def test_gangs_come_as_one_interval() -> None:
    node, sda = make.backend(4), make.sda()
    for index in range(3):
        hold(sda, node, NINE, NINE + HOUR, index=index, with_job=False)
    (interval,) = held_intervals(NINE, NINE + HOUR)
    assert (interval.key, interval.devices) == (sda.token_id, 3)


def _random_world(dice: random.Random) -> list[Token]:
    tokens, node = [make.token(), make.token()], make.backend(4)
    for index in range(4):
        at = 0
        while at < 8 * HOUR_MS:
            start = at + dice.randrange(HOUR_MS)
            at = start + dice.randrange(3 * HOUR_MS)
            end = None if at > 8 * HOUR_MS else NINE + timedelta(milliseconds=at)
            owner = dice.choice(tokens)
            hold(owner, node, NINE + timedelta(milliseconds=start), end, index=index, with_job=False)
    return tokens


@pytest.mark.parametrize("seed", range(4))
def test_any_range_equals_the_sum_of_its_milliseconds(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    tokens = _random_world(dice)
    close(5)
    for _ in range(20):
        start, end = sorted(dice.sample(range(-HOUR_MS, 9 * HOUR_MS), 2))
        over = Period(NINE + timedelta(milliseconds=start), NINE + timedelta(milliseconds=end))
        _compare(over, tokens)


def _compare(over: Period, tokens: list[Token]) -> None:
    start, end = to_ms(over.start), to_ms(over.end)
    everything = held_intervals(over.start, over.end)
    wanted = device_ms(everything, start, end)
    assert {pk: ms for pk, ms in ms_by_token(over).items() if ms} == wanted
    assert total_ms(over) == sum(wanted.values())
    _compare_extremes(over, tokens)


def _compare_extremes(over: Period, tokens: list[Token]) -> None:
    start, end = to_ms(over.start), to_ms(over.end)
    found = extremes(over, key=F("token"))
    for token in tokens:
        theirs = held(held_intervals(over.start, over.end, Q(token=token)), start, end)
        assert found.get(token.pk, (0, 0)) == (theirs.minimum, theirs.maximum)
    everybody = held(held_intervals(over.start, over.end), start, end)
    assert extremes(over).get(0, (0, 0)) == (everybody.minimum, everybody.maximum)
