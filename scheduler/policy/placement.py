"""Placement: which free devices a job gets, at a cost that does not grow with the number of nodes.

Multiples of a node's size get whole nodes. The rest gets the node on which it leaves the fewest free devices, a partly
used one before a whole one, and neighbouring indexes within it. Ties are decided by node id. Nodes without maintenance
come first, then those whose maintenance begins last.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from heapq import heappop, heappush
from itertools import accumulate

from scheduler.policy.snapshot import Node


@lru_cache(maxsize=1 << 16)
def pick(free: int, count: int) -> int:
    """Return a mask of `count` free indexes: neighbours in the shortest run that fits, else as few runs as possible."""
    runs = _runs(free)
    fitting = [run for run in runs if run.bit_count() >= count]
    if fitting:
        run = min(fitting, key=int.bit_count)
        return ((1 << count) - 1) * (run & -run)
    longest = max(runs, key=int.bit_count)
    return longest | pick(free & ~longest, count - longest.bit_count())


def _runs(free: int) -> list[int]:
    """Return the runs of neighbouring bits of a mask, lowest first."""
    runs = []
    while free:
        beyond = free + (free & -free)
        runs.append(free & ~beyond)
        free &= beyond
    return runs


class FreeDevices:
    """The free devices of a group, its nodes in buckets by how many are free.

    Bucket 2·n holds partly used nodes with n free devices, bucket 2·n + 1 whole nodes of size n, so the lowest bucket
    that fits is the best one. A bucket is a heap of positions in id order. An entry of a node that has left the bucket
    is dropped when it comes up; `_listed` prevents double entries, so a long-lived index does not grow.

    Nodes whose maintenance begins at the same time are one part, with buckets of its own. Part 0 has no maintenance,
    the last one begins first. What is needed until some time may use the parts that begin then or later: the first
    `_parts(until_ms)` ones; 0 is all of them.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        ordered = sorted(nodes, key=lambda node: node.id)
        self.total = 0
        self._begins = sorted({-node.until_ms for node in ordered if node.until_ms is not None})
        self.in_parts = bool(self._begins)  # whether some nodes have a maintenance window
        self._width = 2 * max((max(node.size, node.free.bit_count()) for node in ordered), default=0) + 2
        self._whole_buckets = ((1 << self._width) - 1) // 3 << 1
        self._ids = [node.id for node in ordered]
        self._positions = {id_: position for position, id_ in enumerate(self._ids)}
        self._masks = [0] * len(ordered)
        self._sizes = [node.size for node in ordered]
        self._part_of = [0] * len(ordered)
        if self.in_parts:
            self._part_of = [0 if node.until_ms is None else self._parts(node.until_ms) - 1 for node in ordered]
        self._bucket_of = [0] * len(ordered)
        self._listed = [0] * len(ordered)
        parts = len(self._begins) + 1
        self._all_devices, self._largest_nodes = self._count_parts(parts)
        self._occupied = [0] * parts
        self._totals = [0] * parts
        self._heaps: list[list[int]] = [[] for _ in range(parts * self._width)]
        self._members = [0] * (parts * self._width)
        for position, node in enumerate(ordered):
            self._change(position, node.free)

    def _count_parts(self, parts: int) -> tuple[list[int], list[int]]:
        """Return how many devices each part and those before it have, and those of their largest nodes."""
        devices, largest = [0] * parts, [0] * parts
        for size, part in zip(self._sizes, self._part_of, strict=True) if self.in_parts else ():
            devices[part] += size
            largest[part] = max(largest[part], size)
        return list(accumulate(devices)), list(accumulate(largest, max))

    def best_node(self, until_ms: int = 0) -> int:
        """Return the number of free devices of the node that has the most."""
        return self._best(self._parts(until_ms))

    def total_until(self, until_ms: int) -> int:
        """Return the number of free devices of nodes without maintenance before `until_ms`."""
        return sum(self._totals[: self._parts(until_ms)]) if self._begins else self.total

    def lasts(self, node_id: int, until_ms: int) -> bool:
        """Whether a node has no maintenance before `until_ms`."""
        return self._part_of[self._positions[node_id]] < self._parts(until_ms)

    def most_until(self, until_ms: int, *, combine: bool) -> int:
        """Return how many devices, free or not, one job could have that needs them until `until_ms`."""
        return (self._all_devices if combine else self._largest_nodes)[self._parts(until_ms) - 1]

    def take(self, count: int, *, combine: bool, until_ms: int = 0) -> tuple[tuple[int, int], ...] | None:
        """Take all `count` (≥ 1) devices and return their (node id, mask) pairs, or take nothing and return None."""
        fitting = self._occupied[0] >> 2 * count
        if fitting:  # as nearly always
            return (self._take_on(self._first(2 * count + (fitting & -fitting).bit_length() - 1), count),)
        parts = self._parts(until_ms)
        place = self._take_on_one(count, parts) if parts > 1 else None
        if place is not None:
            return (place,)
        if not combine or count > self.total_until(until_ms):
            return None
        return self._take_on_several(count, parts)

    def on(self, node_id: int) -> int:
        """Return the mask of a node's free devices."""
        return self._masks[self._positions[node_id]]

    def take_exactly(self, node_id: int, devices: int) -> None:
        """Take exactly the devices in the mask, which are free."""
        position = self._positions[node_id]
        self._change(position, self._masks[position] & ~devices)

    def give_back(self, node_id: int, devices: int) -> None:
        """Make the devices in the mask free again."""
        position = self._positions[node_id]
        self._change(position, self._masks[position] | devices)

    def _parts(self, until_ms: int) -> int:
        return 1 + bisect_right(self._begins, -until_ms) if self._begins else 1

    def _best(self, parts: int) -> int:
        fullest = self._occupied[0].bit_length()
        if parts == 1:
            return max(fullest - 1, 0) >> 1
        for occupied in self._occupied[1:parts]:
            fullest = max(fullest, occupied.bit_length())
        return max(fullest - 1, 0) >> 1

    def _take_on_one(self, count: int, parts: int) -> tuple[int, int] | None:
        for part in range(parts):
            fitting = self._occupied[part] >> 2 * count
            if fitting:
                bucket = 2 * count + (fitting & -fitting).bit_length() - 1
                return self._take_on(self._first(part * self._width + bucket), count)
        return None

    def _take_on_several(self, count: int, parts: int) -> tuple[tuple[int, int], ...]:
        taken: list[tuple[int, int]] = []
        while count > (best := self._best(parts)):
            position = self._first(self._fullest(parts, best))
            taken.append(self._take_on(position, self._masks[position].bit_count()))
            count -= taken[-1][1].bit_count()
        rest = self._take_on_one(count, parts) if count else None
        return (*taken, rest) if rest else tuple(taken)

    def _fullest(self, parts: int, best: int) -> int:
        """Return the bucket of the largest whole nodes, or of the nodes with the most free devices if none is whole."""
        if parts == 1:
            return max((self._occupied[0] & self._whole_buckets).bit_length() - 1, 0) or 2 * best
        whole = [(occupied & self._whole_buckets).bit_length() - 1 for occupied in self._occupied[:parts]]
        bucket = max(whole)
        if bucket > 0:
            return whole.index(bucket) * self._width + bucket
        part = next(part for part in range(parts) if self._occupied[part] >> 2 * best)
        return part * self._width + 2 * best

    def _take_on(self, position: int, count: int) -> tuple[int, int]:
        free = self._masks[position]
        devices = pick(free, count)
        self._change(position, free & ~devices)
        return self._ids[position], devices

    def _first(self, bucket: int) -> int:
        """Return the lowest position in an occupied bucket."""
        heap = self._heaps[bucket]
        while self._bucket_of[heap[0]] != bucket:
            self._listed[heappop(heap)] &= ~(1 << bucket)
        return heap[0]

    def _change(self, position: int, free: int) -> None:
        """Set the mask of a node and put it into its bucket; bucket 0 is for nodes without free devices."""
        count, part = free.bit_count(), self._part_of[position]
        more = count - self._masks[position].bit_count()
        self.total += more
        self._totals[part] += more
        self._masks[position] = free
        old = self._bucket_of[position]
        new = part * self._width + 2 * count + (count == self._sizes[position]) if count else 0
        if new != old:
            self._leave(old, part)
            self._bucket_of[position] = new
            self._enter(new, part, position)

    def _leave(self, bucket: int, part: int) -> None:
        if bucket:
            self._members[bucket] -= 1
            if not self._members[bucket]:
                self._occupied[part] ^= 1 << bucket - part * self._width

    def _enter(self, bucket: int, part: int, position: int) -> None:
        if bucket:
            self._members[bucket] += 1
            self._occupied[part] |= 1 << bucket - part * self._width
            if not self._listed[position] >> bucket & 1:
                self._listed[position] |= 1 << bucket
                heappush(self._heaps[bucket], position)
