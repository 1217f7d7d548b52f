"""Baselines: each places as its name says, and keeps the same invariants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.snapshot import Node
from scheduler.replay.baselines import Placement, index_factory
from tests.scheduler.policy.snapshots import nodes

F = 0xFF
Taken = dict[int, int] | None


def backwards(count: int) -> list[int]:
    """Stand for a random order."""
    return list(reversed(range(count)))


TAKES: dict[str, tuple[list[tuple[int, int]], int, bool, Taken, Taken]] = {
    # free devices by node, how many, combine; what first-fit takes, what best-fit takes
    "one device": ([(1, F), (2, 0b111)], 1, True, {1: 0b1}, {2: 0b1}),
    "the lowest indexes, neighbours or not": ([(1, 0b11010)], 2, True, {1: 0b1010}, {1: 0b1010}),
    "a node that has all": ([(1, 0b1), (2, F), (3, 0b111)], 3, True, {2: 0b111}, {3: 0b111}),
    "several nodes": ([(1, F), (2, 0b1), (3, 0b11)], 10, True, {1: F, 2: 0b1, 3: 0b1}, {2: 0b1, 3: 0b11, 1: 0b1111111}),
    "combine off": ([(1, 0b1111), (2, 0b1111)], 8, False, None, None),
    "not enough: nothing at all": ([(1, 0b1111), (2, 0b111)], 8, True, None, None),
}


@pytest.mark.parametrize("case", TAKES)
def test_first_fit_and_best_fit(case: str) -> None:
    masks, count, combine, *wanted = TAKES[case]
    for placement, expected in zip((Placement.FIRST_FIT, Placement.BEST_FIT), wanted, strict=True):
        free = index_factory(placement, backwards)(Node(id_, mask, 8) for id_, mask in masks)
        before = free.total
        taken = free.take(count, combine=combine)
        assert (None if taken is None else dict(taken)) == expected
        assert free.total == before - (count if taken else 0)


def test_random_takes_whichever_comes_first_in_the_order_that_it_is_given() -> None:
    free = index_factory(Placement.RANDOM, backwards)([Node(1, F, 8), Node(2, 0b111, 8), Node(3, 0b1, 8)])
    assert free.take(2, combine=False) == ((2, 0b11),)
    assert free.take(9, combine=True) == ((3, 0b1), (2, 0b100), (1, 0b1111111))


@given(nodes(), st.sampled_from(Placement), st.lists(st.integers(1, 12), max_size=12), st.booleans())
def test_every_invariant_of_a_placement(
    drawn: list[Node], placement: Placement, counts: list[int], combine: bool
) -> None:
    """All or none, never a device twice, never one that is not free."""
    free = index_factory(placement, backwards)(drawn)
    left = {node.id: node.free for node in drawn}
    for count in counts:
        taken = free.take(count, combine=combine)
        fits = (
            sum(mask.bit_count() for mask in left.values())
            if combine
            else max(map(int.bit_count, left.values()), default=0)
        )
        assert (taken is not None) == (count <= fits)
        for node, mask in taken or ():
            assert left[node] & mask == mask
            left[node] &= ~mask
        assert sum(mask.bit_count() for _node, mask in taken or ()) == (count if taken else 0)
        assert free.total == sum(mask.bit_count() for mask in left.values())
