"""Racks: a job over several nodes gets nodes of the fewest racks, among nodes that placement treats alike.

How many nodes of which kind a job gets is decided as without the preference; a kind is the number of free devices and
whether the node is whole. Only the choice among nodes of one kind is free, and on which node the rest goes: it goes to
the best node of the same racks, if one of them has enough. A node without a rack counts as a rack of its own. Where
nodes without a maintenance window are not enough, the preference does not count.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduler.policy.placement import FreeDevices
from scheduler.policy.rack_choice import RackChoice, bits, first_of, mask_of
from scheduler.policy.snapshot import Node, Rules


def free_devices(nodes: Sequence[Node], rules: Rules) -> FreeDevices:
    """Return the index of free devices for the rules of a group; without the preference, racks cost nothing."""
    if rules.one_rack and any(node.rack for node in nodes):
        return RackedDevices(nodes)
    return FreeDevices(nodes)


@dataclass(frozen=True, slots=True)
class _Kinds:
    """The kinds of nodes that a job gets: all nodes of the buckets `used_up`, `count` of `bucket`, then `rest` devices.

    Other nodes with enough devices for the rest are in the buckets `for_rest`.
    """

    used_up: tuple[int, ...]
    bucket: int
    count: int
    rest: int
    for_rest: tuple[int, ...]


class RackedDevices(FreeDevices):
    """The free devices of a group, in buckets as ever; the members of each bucket also by rack, as bit masks.

    `_there`: the members of a bucket by rack, as bits of their places in the rack. `_sized`: the racks of a bucket by
    their number of members, as bits of racks. `_racks`: all racks of a bucket. So a choice costs about the same however
    many racks there are.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        ordered = sorted(nodes, key=lambda node: node.id)
        numbers: dict[str | int, int] = {}
        self._there: dict[int, dict[int, int]] = defaultdict(dict)
        self._sized: dict[int, dict[int, int]] = defaultdict(dict)
        self._racks: dict[int, int] = defaultdict(int)
        self._inside: list[list[int]] = []
        self._seats: list[tuple[int, int]] = []
        for position, node in enumerate(ordered):
            rack = numbers.setdefault(node.rack or node.id, len(numbers))
            if rack == len(self._inside):
                self._inside.append([])
            self._seats.append((rack, 1 << len(self._inside[rack])))
            self._inside[rack].append(position)
        super().__init__(ordered)

    def _change(self, position: int, free: int) -> None:
        old = self._bucket_of[position]
        super()._change(position, free)
        new = self._bucket_of[position]
        if new != old:
            for bucket in filter(None, (old, new)):
                self._flip(bucket, *self._seats[position])

    def _flip(self, bucket: int, rack: int, place: int) -> None:
        """Let a node leave or enter a bucket."""
        there, sized, bit = self._there[bucket], self._sized[bucket], 1 << rack
        before = there.pop(rack, 0)
        after = before ^ place
        if after:
            there[rack] = after
        for size in filter(None, (before.bit_count(), after.bit_count())):
            racks = sized.pop(size, 0) ^ bit
            if racks:
                sized[size] = racks
        if not before or not after:
            self._racks[bucket] ^= bit

    def _take_on_several(self, count: int, parts: int) -> tuple[tuple[int, int], ...]:
        if count > self._totals[0]:  # racks do not count among nodes with maintenance
            return super()._take_on_several(count, parts)
        kinds = self._kinds(count)
        forced = self._racks_of(kinds.used_up)
        racks = self._choose(kinds, forced)
        places = [(bucket, rack) for bucket in kinds.used_up for rack in self._each_member(bucket)]
        taken = [self._take_whole(*place) for place in (*places, *((kinds.bucket, rack) for rack in racks))]
        return (*taken, *self._take_rest(kinds.rest, forced | mask_of(racks)))

    def _kinds(self, count: int) -> _Kinds:
        """Return which kinds of nodes a job gets that no node can hold: whole ones first, then those with the most."""
        occupied, used_up = self._occupied[0], list[int]()
        while True:
            best = max(occupied.bit_length() - 1, 0) >> 1
            if count <= best:
                return _kinds(used_up, 0, 0, count, occupied)
            bucket = (occupied & self._whole_buckets).bit_length() - 1
            bucket = bucket if bucket > 0 else occupied.bit_length() - 1
            needed = -((best - count) // (bucket >> 1))
            if needed < self._members[bucket]:
                return _kinds(used_up, bucket, needed, count - needed * (bucket >> 1), occupied)
            count -= self._members[bucket] * (bucket >> 1)
            used_up.append(bucket)
            occupied ^= 1 << bucket

    def _choose(self, kinds: _Kinds, forced: int) -> list[int]:
        """Return the rack of each node of the kind that is chosen, those that are used in any case first."""
        there = self._there[kinds.bucket]
        racks = self._each_member(kinds.bucket, forced)
        needed = kinds.count - len(racks)
        if needed > 0:
            for_rest = self._racks_of(bucket for bucket in kinds.for_rest if bucket != kinds.bucket)
            sized = self._sized[kinds.bucket].items()
            outside = {size: others for size, found in sized if (others := found & ~forced)}
            choice = RackChoice(outside, bool(forced & for_rest), for_rest, kinds.bucket in kinds.for_rest)
            racks += [rack for rack in choice.fewest(needed) for _node in range(there[rack].bit_count())]
        return racks[: kinds.count]

    def _each_member(self, bucket: int, among: int = -1) -> list[int]:
        """Return the rack of each member of a bucket, for racks of a mask."""
        there = self._there[bucket]
        return [rack for rack in bits(self._racks[bucket] & among) for _node in range(there[rack].bit_count())]

    def _racks_of(self, buckets: Iterable[int]) -> int:
        """Return the racks that have members of any of these buckets, as a mask."""
        mask = 0
        for bucket in buckets:
            mask |= self._racks[bucket]
        return mask

    def _take_whole(self, bucket: int, rack: int) -> tuple[int, int]:
        """Take all free devices of the first node of a bucket in a rack."""
        return self._take_on(self._lowest(bucket, rack), bucket >> 1)

    def _take_rest(self, rest: int, racks: int) -> tuple[tuple[int, int], ...]:
        """Take the rest on the best node of these racks, or of all if none of them has enough."""
        if not rest:
            return ()
        for bucket in bits(self._occupied[0] >> 2 * rest << 2 * rest):
            if there := self._racks[bucket] & racks:
                return (self._take_on(self._lowest(bucket, first_of(there)), rest),)
        place = self._take_on_one(rest, 1)
        return (place,) if place else ()

    def _lowest(self, bucket: int, rack: int) -> int:
        return self._inside[rack][first_of(self._there[bucket][rack])]


def _kinds(used_up: Sequence[int], bucket: int, count: int, rest: int, occupied: int) -> _Kinds:
    fitting = occupied >> 2 * rest << 2 * rest if rest else 0
    return _Kinds(tuple(used_up), bucket, count, rest, tuple(bits(fitting)))
