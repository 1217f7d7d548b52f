"""The order in which the jobs of a queue are tried."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import groupby
from operator import attrgetter

from scheduler.policy.snapshot import Policy, QueuedRequest, Snapshot

# Usage that the start of a job counts per device, so that tokens with equal usage alternate.
START_COST_MS = 60_000


def queue_order(request: QueuedRequest) -> tuple[int, int, int]:
    """Return the sort key of a queue: priority 99 first, then request time, then id."""
    return (-request.priority, request.requested_ms, request.id)


def in_order(snapshot: Snapshot) -> list[QueuedRequest]:
    """Return the queue in the order of its policy."""
    queue = sorted(snapshot.queue, key=queue_order)
    return list(_fairly(queue, snapshot.decayed_usage)) if snapshot.rules.policy is Policy.FAIR else queue


def _fairly(queue: Sequence[QueuedRequest], decayed_usage: Mapping[int, float]) -> Iterator[QueuedRequest]:
    """Yield the queue by priority, and within it the token with the least usage first; each start counts as usage."""
    for _priority, equals in groupby(queue, key=attrgetter("priority")):
        by_token: dict[int, list[QueuedRequest]] = {}
        for request in equals:
            by_token.setdefault(request.token_id, []).append(request)
        yield from in_fair_order(by_token, decayed_usage)


def in_fair_order(
    by_token: Mapping[int, Sequence[QueuedRequest]], decayed_usage: Mapping[int, float]
) -> Iterator[QueuedRequest]:
    """Yield the requests of one priority in fair order; those of one token keep their order."""
    line = [(decayed_usage.get(token, 0.0), queue_order(mine[0]), 0) for token, mine in by_token.items()]
    heapify(line)
    owner = {mine[0].id: mine for mine in by_token.values()}
    while line:
        used, (_priority, _at, id_), position = line[0]
        mine = owner[id_]
        request = mine[position]
        yield request
        if position + 1 == len(mine):
            heappop(line)
        else:
            heapreplace(line, (used + request.devices * START_COST_MS, queue_order(mine[0]), position + 1))
