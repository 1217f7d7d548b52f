"""Which due deliveries become which messages, in plain Python."""

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

MOST_GROUPED = 100  # deliveries in one message
LONGEST = 1 << 18  # bytes of the payloads in one message, unless a single one is longer


class WaitingDelivery(NamedTuple):
    """What matters of a delivery that waits."""

    pk: int
    kind: str
    ordering_key: str
    group_key: str


def grouped(rows: Iterable[WaitingDelivery], room: int) -> list[list[int]]:
    """Return the ids of the deliveries of at most `room` messages, in order.

    No delivery passes an earlier one with the same ordering key: where that one is left for later, so is this one.
    """
    groups: dict[tuple[str, str, int], list[int]] = {}
    placed: dict[str, tuple[str, str, int] | None] = {}
    for row in rows:
        key = (row.kind, row.group_key, 0 if row.group_key else row.pk)
        fits = len(groups[key]) < MOST_GROUPED if key in groups else len(groups) < room
        fits = fits and placed.get(row.ordering_key, key) == key
        if row.ordering_key:
            placed[row.ordering_key] = key if fits else None
        if fits:
            groups.setdefault(key, []).append(row.pk)
    return list(groups.values())


def how_many_fit(payloads: Sequence[Any]) -> int:
    """Return how many of a group's payloads, from the first, are one message; those behind are left for later."""
    if len(payloads) < 2:
        return len(payloads)
    sizes = (len(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()) for one in payloads)
    return max(1, sum(size <= LONGEST for size in accumulate(sizes)))
