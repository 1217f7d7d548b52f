"""Baselines: common placements to compare ours with; only replays use them.

Each places a job on one node that has enough free devices, lowest indexes first; on several nodes only if none has.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from scheduler.policy.placement import FreeDevices
from scheduler.policy.snapshot import Node

Places = tuple[tuple[int, int], ...]
Shuffle = Callable[[int], Sequence[int]]
"""Returns the numbers below n in a random order, a different one each time."""


class Placement(StrEnum):
    """Which free devices a job gets."""

    WHOLE_FIRST = "whole-first"  # the one of scheduler.policy.placement
    FIRST_FIT = "first-fit"  # the first node by id, or the first ones
    BEST_FIT = "best-fit"  # the node on which it leaves the fewest free devices, or those with the fewest
    RANDOM = "random"  # any node, or any nodes


class _Scanning(FreeDevices, ABC):
    """An index that tries all nodes for each job, in an order of its own."""

    def take(self, count: int, *, combine: bool, until_ms: int = 0) -> Places | None:
        """Take all `count` (≥ 1) devices and return their (node id, mask) pairs, or take nothing and return None."""
        parts = self._parts(until_ms)
        nodes = [position for position in self._in_order() if self._part_of[position] < parts]
        one = next((position for position in nodes if self._masks[position].bit_count() >= count), None)
        if one is not None:
            return (self._take_on(one, count),)
        if not combine or count > self.total_until(until_ms):
            return None
        return tuple(self._take_from(nodes, count))

    @abstractmethod
    def _in_order(self) -> Iterable[int]:
        """Return the positions of all nodes in the order in which they are tried."""

    def _take_from(self, nodes: Iterable[int], count: int) -> Iterable[tuple[int, int]]:
        for position in nodes:
            count_here = min(count, self._masks[position].bit_count())
            if count_here:
                yield self._take_on(position, count_here)
            count -= count_here

    def _take_on(self, position: int, count: int) -> tuple[int, int]:
        free = rest = self._masks[position]
        for _device in range(count):
            rest &= rest - 1
        self._change(position, rest)
        return self._ids[position], free & ~rest


class FirstFit(_Scanning):
    """Tries nodes in the order of their ids."""

    def _in_order(self) -> Iterable[int]:
        return range(len(self._masks))


class BestFit(_Scanning):
    """Tries nodes with the fewest free devices first."""

    def _in_order(self) -> Iterable[int]:
        return sorted(range(len(self._masks)), key=lambda position: self._masks[position].bit_count())


class RandomFit(_Scanning):
    """Tries nodes in a random order."""

    def __init__(self, nodes: Iterable[Node], shuffle: Shuffle) -> None:
        super().__init__(nodes)
        self._shuffle = shuffle

    def _in_order(self) -> Iterable[int]:
        return self._shuffle(len(self._masks))


def index_factory(placement: Placement, shuffle: Shuffle) -> Callable[[Iterable[Node]], FreeDevices]:
    """Return a function that makes the index of free devices of this placement; `shuffle` is for RANDOM."""
    makers: Mapping[Placement, Callable[[Iterable[Node]], FreeDevices]] = {
        Placement.WHOLE_FIRST: FreeDevices,
        Placement.FIRST_FIT: FirstFit,
        Placement.BEST_FIT: BestFit,
        Placement.RANDOM: lambda nodes: RandomFit(nodes, shuffle),
    }
    return makers[placement]
