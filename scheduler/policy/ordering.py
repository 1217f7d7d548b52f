"""In which order a queue is tried."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import groupby
from operator import attrgetter

from scheduler.policy.snapshot import Policy, Request, Snapshot

TURN_MS = 60_000  # what a turn costs a token per device: tokens that used alike take turns instead of one going first


def queue_order(request: Request) -> tuple[int, int, int]:
    """Sort key of a queue: priority 99 first, then request time; the id makes ties repeatable."""
    return (-request.priority, request.requested_ms, request.id)


def in_order(snapshot: Snapshot) -> list[Request]:
    """Give the queue in the order in which its policy tries it."""
    queue = sorted(snapshot.queue, key=queue_order)
    return list(_fairly(queue, snapshot.spent)) if snapshot.rules.policy is Policy.FAIR else queue


def _fairly(queue: Sequence[Request], spent: Mapping[int, float]) -> Iterator[Request]:
    """Within each priority, let the token go first that used the least; each turn counts as use."""
    for _priority, equals in groupby(queue, key=attrgetter("priority")):
        by_token: dict[int, list[Request]] = {}
        for request in equals:
            by_token.setdefault(request.token_id, []).append(request)
        yield from _take_turns(by_token, spent)


def _take_turns(by_token: Mapping[int, list[Request]], spent: Mapping[int, float]) -> Iterator[Request]:
    line = [(spent.get(token, 0.0), queue_order(mine[0]), 0) for token, mine in by_token.items()]
    heapify(line)
    owner = {mine[0].id: mine for mine in by_token.values()}
    while line:
        used, (_priority, _at, id_), turn = line[0]
        mine = owner[id_]
        request = mine[turn]
        yield request
        if turn + 1 == len(mine):
            heappop(line)
        else:
            heapreplace(line, (used + request.devices * TURN_MS, queue_order(mine[0]), turn + 1))
