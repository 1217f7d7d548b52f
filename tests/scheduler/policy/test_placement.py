import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.placement import FreeDevices, pick
from scheduler.policy.snapshot import Node
from tests.scheduler.policy.snapshots import has_run, neighbours, nodes, nodes_by_the_book

F = 0xFF

PICKS = {
    "the lowest of a whole node": (0b11111111, 3, 0b00000111),
    "the tightest run that fits": (0b01101111, 2, 0b01100000),
    "the lower of two equal runs": (0b01100110, 2, 0b00000110),
    "the low end of a longer run": (0b11110001, 2, 0b00110000),
    "single devices when there are no neighbours": (0b10101010, 2, 0b00001010),
    "the longest run, then the rest beside": (0b11101101, 4, 0b11100001),
    "everything": (0b10010110, 4, 0b10010110),
}


@pytest.mark.parametrize("case", PICKS)
def test_indexes_within_a_node(case: str) -> None:
    free, count, wanted = PICKS[case]
    assert bin(pick(free, count)) == bin(wanted)


TAKES = {
    "a small job fills the partly used node": ([(1, F), (2, 0b111)], 1, True, {2: 0b1}),
    "the node with the fewest left over": ([(1, 0b11111), (2, 0b111), (3, 0b1111)], 3, True, {2: 0b111}),
    "the lower id on a tie": ([(7, F), (3, F)], 2, True, {3: 0b11}),
    "a job of one node's size gets a whole node": ([(1, 0b1111111), (2, F)], 8, True, {2: F}),
    "two whole nodes": ([(1, 0b1111111), (2, F), (3, F)], 16, True, {2: F, 3: F}),
    "a whole node and the tightest rest": ([(1, F), (2, F), (3, 0b11111), (4, 0b111)], 11, True, {1: F, 4: 0b111}),
    "no whole node: the fullest ones, then the rest": (
        [(1, 0b1111), (2, 0b111111), (3, 0b11)],
        8,
        True,
        {2: 0b111111, 3: 0b11},
    ),
    "combine off: never two nodes": ([(1, 0b1111), (2, 0b1111)], 8, False, None),
    "combine off: one node that has them all": ([(1, 0b1111), (2, 0b11111)], 5, False, {2: 0b11111}),
    "not enough: nothing at all": ([(1, 0b1111), (2, 0b111)], 8, True, None),
}


@pytest.mark.parametrize("case", TAKES)
def test_nodes_of_eight(case: str) -> None:
    masks, count, combine, wanted = TAKES[case]
    free = FreeDevices(Node(id_, mask, 8) for id_, mask in masks)
    taken = free.take(count, combine=combine)
    assert (None if taken is None else dict(taken)) == wanted


def test_a_partly_used_node_goes_before_a_whole_one_of_the_same_free_count() -> None:
    free = FreeDevices([Node(1, 0b11, 2), Node(2, 0b1100, 4)])
    assert free.take(1, combine=True) == ((2, 0b100),)


@given(st.integers(1, 0xFFFF), st.data())
def test_neighbours_whenever_there_are_any(free: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, free.bit_count()))
    picked = pick(free, count)
    assert picked & ~free == 0
    assert picked.bit_count() == count
    assert neighbours(picked) or not has_run(free, count)


@given(nodes(), st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=25))
def test_the_buckets_agree_with_a_full_scan(drawn_nodes: tuple[Node, ...], steps: list[tuple[int, bool, bool]]) -> None:
    """Take and give back at random on one index; each time the slow rules must choose the same nodes."""
    index = FreeDevices(drawn_nodes)
    held: list[tuple[int, int]] = []
    free, sizes = {node.id: node.free for node in drawn_nodes}, {node.id: node.size for node in drawn_nodes}
    for count, combine, give_back in steps:
        wanted = nodes_by_the_book(free, sizes, count, combine)
        taken = index.take(count, combine=combine) or ()
        assert [(id_, mask.bit_count()) for id_, mask in taken] == wanted
        assert all(mask & ~free[id_] == 0 for id_, mask in taken)
        for id_, mask in taken:
            free[id_] &= ~mask
        held += taken
        if give_back and held:
            id_, mask = held.pop(0)
            index.give_back(id_, mask)
            free[id_] |= mask
        assert index.total == sum(mask.bit_count() for mask in free.values())
        assert index.best_node() == max((mask.bit_count() for mask in free.values()), default=0)


def test_a_reused_index_does_not_grow() -> None:
    free = FreeDevices(Node(id_, F, 8) for id_ in range(4))
    for count in range(1_000):
        for id_, mask in free.take(count % 20 + 1, combine=True) or ():
            free.give_back(id_, mask)
    assert sum(len(heap) for heap in free._heaps) <= 4 * 2 * 8
