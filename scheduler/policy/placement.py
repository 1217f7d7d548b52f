"""Which free devices a job gets, at a cost that does not grow with the number of nodes.

Whole nodes first for the multiples of a node's size, the rest on the node where it leaves the fewest free devices,
a partly used one before a whole one, neighbouring indexes within a node; all ties by node id.
"""

from collections.abc import Iterable
from functools import lru_cache
from heapq import heappop, heappush

from scheduler.policy.snapshot import Node


@lru_cache(maxsize=1 << 16)
def pick(free: int, count: int) -> int:
    """Choose `count` of the free device indexes: neighbours in the tightest run, else as few runs as there can be."""
    runs = _runs(free)
    fitting = [run for run in runs if run.bit_count() >= count]
    if fitting:
        run = min(fitting, key=int.bit_count)
        return ((1 << count) - 1) * (run & -run)
    longest = max(runs, key=int.bit_count)
    return longest | pick(free & ~longest, count - longest.bit_count())


def _runs(free: int) -> list[int]:
    """Split a mask into its runs of neighbouring bits, lowest first."""
    runs = []
    while free:
        beyond = free + (free & -free)
        runs.append(free & ~beyond)
        free &= beyond
    return runs


class FreeDevices:
    """The free devices of a group, its nodes in buckets by how many are free.

    Bucket 2·n holds partly used nodes with n free devices, 2·n + 1 whole nodes of size n, so the lowest bucket
    that fits is the best one. A bucket is a heap of positions in id order; an entry that moved on is dropped when it
    comes up, and `_listed` keeps it from being entered twice, so a long-lived index does not grow.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        ordered = sorted(nodes, key=lambda node: node.id)
        self.total = 0
        self._ids = [node.id for node in ordered]
        self._positions = {id_: position for position, id_ in enumerate(self._ids)}
        self._masks = [0] * len(ordered)
        self._sizes = [node.size for node in ordered]
        self._bucket_of = [0] * len(ordered)
        self._listed = [0] * len(ordered)
        self._occupied = 0
        buckets = 2 * max((max(node.size, node.free.bit_count()) for node in ordered), default=0) + 2
        self._whole_buckets = ((1 << buckets) - 1) // 3 << 1
        self._heaps: list[list[int]] = [[] for _ in range(buckets)]
        self._members = [0] * buckets
        for position, node in enumerate(ordered):
            self._change(position, node.free)

    def best_node(self) -> int:
        """Count the free devices of the node that has most of them."""
        return max(self._occupied.bit_length() - 1, 0) >> 1

    def take(self, count: int, *, combine: bool) -> tuple[tuple[int, int], ...] | None:
        """Take all `count` (≥ 1) devices and return their (node id, mask) pairs, or take nothing and return None."""
        fitting = self._occupied >> 2 * count
        if fitting:
            return (self._take_on(self._first(2 * count + (fitting & -fitting).bit_length() - 1), count),)
        if not combine or count > self.total:
            return None
        return self._take_on_several(count)

    def on(self, node_id: int) -> int:
        """Give the mask of a node's free devices."""
        return self._masks[self._positions[node_id]]

    def hold(self, node_id: int, devices: int) -> None:
        """Take exactly the devices in the mask, which are free."""
        position = self._positions[node_id]
        self._change(position, self._masks[position] & ~devices)

    def give_back(self, node_id: int, devices: int) -> None:
        """Make the devices in the mask free again."""
        position = self._positions[node_id]
        self._change(position, self._masks[position] | devices)

    def _take_on_several(self, count: int) -> tuple[tuple[int, int], ...]:
        taken: list[tuple[int, int]] = []
        while count > (best := self.best_node()):
            bucket = (self._occupied & self._whole_buckets).bit_length() - 1
            position = self._first(bucket if bucket > 0 else 2 * best)
            taken.append(self._take_on(position, self._masks[position].bit_count()))
            count -= taken[-1][1].bit_count()
        return (*taken, *(self.take(count, combine=False) or ())) if count else tuple(taken)

    def _take_on(self, position: int, count: int) -> tuple[int, int]:
        free = self._masks[position]
        devices = pick(free, count)
        self._change(position, free & ~devices)
        return self._ids[position], devices

    def _first(self, bucket: int) -> int:
        """Find the lowest position in an occupied bucket."""
        heap = self._heaps[bucket]
        while self._bucket_of[heap[0]] != bucket:
            self._listed[heappop(heap)] &= ~(1 << bucket)
        return heap[0]

    def _change(self, position: int, free: int) -> None:
        """Give a node a new mask and move it to the bucket where it belongs now; bucket 0 holds the full ones."""
        count = free.bit_count()
        self.total += count - self._masks[position].bit_count()
        self._masks[position] = free
        old = self._bucket_of[position]
        new = 2 * count + (count == self._sizes[position]) if count else 0
        if new != old:
            self._leave(old)
            self._bucket_of[position] = new
            self._enter(new, position)

    def _leave(self, bucket: int) -> None:
        if bucket:
            self._members[bucket] -= 1
            if not self._members[bucket]:
                self._occupied ^= 1 << bucket

    def _enter(self, bucket: int, position: int) -> None:
        if bucket:
            self._members[bucket] += 1
            self._occupied |= 1 << bucket
            if not self._listed[position] >> bucket & 1:
                self._listed[position] |= 1 << bucket
                heappush(self._heaps[bucket], position)
