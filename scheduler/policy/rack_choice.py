"""The choice of the fewest racks that have enough nodes of one kind."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RackChoice:
    """What racks are chosen from. Bit i of a mask is rack i.

    `sized`: the racks by how many nodes of the kind that is chosen they have; racks that are used in any case are not
    among them. `held`: such a rack also has devices for the rest. Without it, the rest goes to a rack in `for_rest`, or
    to one more node of the kind if `same_kind`.
    """

    sized: Mapping[int, int]
    held: bool
    for_rest: int
    same_kind: bool

    def fewest(self, needed: int) -> list[int]:
        """Return the fewest racks with `needed` nodes, with the rest if possible; the last one as small as possible."""
        left, chosen, held = dict(self.sized), [], self.held
        while needed > (largest := max(left)):
            rack = first_of(left[largest] & self.for_rest or left[largest])
            held = held or bool(1 << rack & self.for_rest)
            chosen.append(rack)
            left[largest] ^= 1 << rack
            if not left[largest]:
                del left[largest]
            needed -= largest
        enough = [size for size in sorted(left) if size >= needed]
        good = (
            left[size] if held or (self.same_kind and size > needed) else left[size] & self.for_rest for size in enough
        )
        return [*chosen, first_of(next(filter(None, good), left[enough[0]]))]


def first_of(mask: int) -> int:
    """Return the place of the lowest bit of a mask."""
    return (mask & -mask).bit_length() - 1


def mask_of(places: Iterable[int]) -> int:
    """Return the mask with bits at these places."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask


def bits(mask: int) -> Iterator[int]:
    """Yield the places of the bits of a mask, lowest first."""
    while mask:
        yield first_of(mask)
        mask &= mask - 1
