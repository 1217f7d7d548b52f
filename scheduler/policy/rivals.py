"""Placements that others use, to compare ours with; no tick ever asks them.

Each takes a job's devices on one node that has them all, the lowest indexes first; only where none has, on several.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from scheduler.policy.placement import FreeDevices
from scheduler.policy.snapshot import Node

Places = tuple[tuple[int, int], ...]
Mix = Callable[[int], Sequence[int]]
"""Gives the numbers below n in a random order, another one each time."""


class Placement(StrEnum):
    """Which free devices a job gets."""

    WHOLE_FIRST = "whole-first"  # ours: scheduler.policy.placement
    FIRST_FIT = "first-fit"  # the first node by id, or the first ones
    BEST_FIT = "best-fit"  # the node that it leaves fewest free devices on, or those with the fewest
    RANDOM = "random"  # any node, or any nodes


class _Scanning(FreeDevices, ABC):
    """Looks at every node for every job, in an order of its own."""

    def take(self, count: int, *, combine: bool) -> Places | None:
        """Take all `count` (≥ 1) devices and return their (node id, mask) pairs, or take nothing and return None."""
        nodes = self._in_order()
        one = next((position for position in nodes if self._masks[position].bit_count() >= count), None)
        if one is not None:
            return (self._take_on(one, count),)
        if not combine or count > self.total:
            return None
        return tuple(self._take_from(nodes, count))

    @abstractmethod
    def _in_order(self) -> Iterable[int]:
        """Give the positions of all nodes in the order in which they are tried."""

    def _take_from(self, nodes: Iterable[int], count: int) -> Iterable[tuple[int, int]]:
        for position in nodes:
            part = min(count, self._masks[position].bit_count())
            if part:
                yield self._take_on(position, part)
            count -= part

    def _take_on(self, position: int, count: int) -> tuple[int, int]:
        free = rest = self._masks[position]
        for _device in range(count):
            rest &= rest - 1
        self._change(position, rest)
        return self._ids[position], free & ~rest


class FirstFit(_Scanning):
    def _in_order(self) -> Iterable[int]:
        return range(len(self._masks))


class BestFit(_Scanning):
    def _in_order(self) -> Iterable[int]:
        return sorted(range(len(self._masks)), key=lambda position: self._masks[position].bit_count())


class RandomFit(_Scanning):
    def __init__(self, nodes: Iterable[Node], mix: Mix) -> None:
        super().__init__(nodes)
        self._mix = mix

    def _in_order(self) -> Iterable[int]:
        return self._mix(len(self._masks))


def placing(placement: Placement, mix: Mix) -> Callable[[Iterable[Node]], FreeDevices]:
    """Give what makes the free devices of nodes that are placed so; `mix` is for the random one."""
    makers: Mapping[Placement, Callable[[Iterable[Node]], FreeDevices]] = {
        Placement.WHOLE_FIRST: FreeDevices,
        Placement.FIRST_FIT: FirstFit,
        Placement.BEST_FIT: BestFit,
        Placement.RANDOM: lambda nodes: RandomFit(nodes, mix),
    }
    return makers[placement]
