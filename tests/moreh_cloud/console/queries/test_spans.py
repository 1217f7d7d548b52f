"""Sums over any range, from closed hours and allocations, are those of the allocations alone."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db.models import Q

from moreh_cloud.console.queries.extremes import extremes
from moreh_cloud.console.queries.spans import EVERYBODY, Span, span, stays, sums_between, sums_by_token, total_of
from moreh_cloud.lib.clock import to_ms
from scheduler.models import Allocation
from tests import make
from tests.moreh_cloud.console.world import HOUR, MINUTE, NINE, hold
from tokens.models import Token
from usage.metering import HOUR_MS, device_ms, held
from usage.models import ClosedHour, UsageHour
from usage.services import recount_hours

pytestmark = pytest.mark.django_db
MIN_MS = 60_000


def close(hours: int) -> None:
    """Close so many hours from nine on."""
    for number in range(hours):
        recount_hours(NINE + number * HOUR, NINE + number * HOUR + HOUR, actor=make.ACTOR)


CUTS = {
    "whole hours": ((0, 180), (0, 180), []),
    "a minute more on both sides": ((-1, 181), (0, 180), [(-1, 0), (180, 181)]),
    "over what is closed": ((30, 400), (60, 240), [(30, 60), (240, 400)]),
    "within one hour": ((70, 110), None, [(70, 110)]),
    "over one bound": ((70, 130), None, [(70, 130)]),
    "nothing of it closed": ((300, 420), None, [(300, 420)]),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_range_is_cut_at_the_closed_hours(case: str) -> None:
    (start, end), inside, edges = CUTS[case]
    close(4)
    cut = span(NINE + start * MINUTE, NINE + end * MINUTE)
    assert list(cut.edges) == [(NINE + a * MINUTE, NINE + b * MINUTE) for a, b in edges]
    assert (cut.first < cut.last) == (inside is not None)
    if inside:
        assert (cut.first, cut.last) == (NINE + inside[0] * MINUTE, NINE + inside[1] * MINUTE)


def test_closed_hours_are_read_and_not_counted_again() -> None:
    node, token = make.backend(1), make.token()
    hold(token, node, NINE, NINE + 3 * HOUR)
    close(2)
    Allocation.objects.filter(token=token).update(ended_at=NINE + HOUR)  # so that it is seen which of the two is read
    assert sums_by_token(span(NINE, NINE + 2 * HOUR)) == {token.pk: 2 * HOUR_MS}
    assert sums_by_token(span(NINE - MINUTE, NINE + 30 * MINUTE)) == {token.pk: 30 * MIN_MS}


def test_before_any_hour_is_closed_the_allocations_tell_all() -> None:
    token = make.token()
    hold(token, make.backend(1), NINE + 50 * MINUTE, None)
    over = span(NINE, NINE + 2 * HOUR)
    assert (sums_by_token(over), total_of(over)) == ({token.pk: 70 * MIN_MS}, 70 * MIN_MS)


def test_gangs_come_as_one_interval() -> None:
    node, sda = make.backend(4), make.sda()
    for index in range(3):
        hold(sda, node, NINE, NINE + HOUR, index=index, with_job=False)
    (interval,) = stays(NINE, NINE + HOUR)
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
        over = span(NINE + timedelta(milliseconds=start), NINE + timedelta(milliseconds=end))
        _compare(over, tokens, dice)


def _compare(over: Span, tokens: list[Token], dice: random.Random) -> None:
    start, end = to_ms(over.start), to_ms(over.end)
    everything = stays(over.start, over.end)
    wanted = device_ms(everything, start, end)
    assert {pk: ms for pk, ms in sums_by_token(over).items() if ms} == wanted
    assert total_of(over) == sum(wanted.values())
    _compare_extremes(over, tokens)
    hours = range(start - start % HOUR_MS + HOUR_MS, end, HOUR_MS)
    for inner in (hours, [at + 30 * MIN_MS for at in hours if at + 30 * MIN_MS < end], _some(hours, dice)):
        bounds = [start, *inner, end]
        for scope in (EVERYBODY, *(Q(token=token) for token in tokens)):
            _compare_pieces(over, bounds, scope)


def _compare_extremes(over: Span, tokens: list[Token]) -> None:
    start, end = to_ms(over.start), to_ms(over.end)
    found = extremes(over, key="token")
    for token in tokens:
        theirs = held(stays(over.start, over.end, Q(token=token)), start, end)
        assert found.get(token.pk, (0, 0)) == (theirs.minimum, theirs.maximum)
    everybody = held(stays(over.start, over.end), start, end)
    assert extremes(over).get(0, (0, 0)) == (everybody.minimum, everybody.maximum)


def _some(hours: range, dice: random.Random) -> list[int]:
    return sorted(dice.sample(hours, len(hours) // 2))


def _compare_pieces(over: Span, bounds: list[int], scope: Q) -> None:
    found = stays(over.start, over.end, scope)
    wanted = [sum(device_ms(found, a, b).values()) for a, b in pairwise(bounds)]
    assert sums_between(over, bounds, scope) == wanted


def test_the_chart_of_everybody_is_read_from_the_totals() -> None:
    close(2)
    ClosedHour.objects.filter(hour=NINE).update(device_ms=7)
    UsageHour.objects.all().delete()
    bounds = [to_ms(NINE + n * HOUR) for n in range(3)]
    assert sums_between(span(NINE, NINE + 2 * HOUR), bounds) == [7, 0]
