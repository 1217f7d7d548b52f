"""What an operator's change would do to a queue: the same plan and forecast, on a world that is changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from scheduler.policy.forecast import Expected, Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Placed, Waits
from scheduler.policy.snapshot import Node, Request, Snapshot


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked about; several things may change at once.

    `drain`: nodes that take no new jobs and give nothing back. `leave`: nodes that move to another group, likewise.
    `add`: sizes of nodes that come, empty. `priorities`: new ones, by job. `cancel`: jobs that are taken out of the
    queue or ended. `submit`: jobs that are not there yet; their ids are negative.
    """

    drain: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()
    add: tuple[int, ...] = ()
    priorities: Mapping[int, int] = field(default_factory=dict)
    cancel: frozenset[int] = frozenset()
    submit: tuple[Request, ...] = ()


class Effect(StrEnum):
    """What becomes of one waiting job."""

    SAME = "same"
    SOONER = "sooner"
    LATER = "later"
    STARTS = "starts"  # when it would start could not be told before, and can be now
    STALLS = "stalls"  # it cannot be told any more


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a job starts without and with the change (None: nobody knows), and why it does not at once."""

    request: Request
    before: Start | None
    after: Start | None
    waits: Waits | None

    @property
    def effect(self) -> Effect:
        if self.before is None or self.after is None:
            known = (self.before is not None, self.after is not None)
            return {(True, False): Effect.STALLS, (False, True): Effect.STARTS}.get(known, Effect.SAME)
        earlier = self.before.at_ms - self.after.at_ms
        return Effect.SAME if not earlier else Effect.SOONER if earlier > 0 else Effect.LATER


@dataclass(frozen=True, slots=True)
class Answer:
    """Every waiting job, in the order in which it would be tried, and the jobs on nodes that are to go."""

    world: Snapshot
    outcomes: tuple[Outcome, ...]
    stay: tuple[int, ...]
    """Running jobs on nodes that drain or leave: the drain waits for them."""


def what_if(snapshot: Snapshot, expected: Expected, change: Change) -> Answer:
    """Answer what becomes of the queue when the change is made now."""
    world = changed(snapshot, change)
    gone = change.drain | change.leave
    before = forecast(snapshot, expected)
    after = forecast(world, expected, leaving=gone)
    asked = {request.id: request for request in world.queue}
    outcomes = tuple(
        Outcome(
            asked[decision.request_id],
            before.get(decision.request_id),
            after.get(decision.request_id),
            None if isinstance(decision, Placed) else decision,
        )
        for decision in plan(world)
    )
    stay = tuple(job.id for job in world.running if any(node in gone for node, _mask in job.devices))
    return Answer(world, outcomes, stay)


def changed(snapshot: Snapshot, change: Change) -> Snapshot:
    """Give the world as it is right after the change; devices of jobs that are canceled are being cleaned."""
    gone = change.drain | change.leave
    freed = _freed(snapshot, change.cancel)
    nodes = [
        replace(node, free=0, coming=0) if node.id in gone else replace(node, coming=node.coming | freed[node.id])
        for node in snapshot.nodes
        if node.id not in change.leave
    ]
    return replace(
        snapshot,
        nodes=(*nodes, *(Node(-1 - place, (1 << size) - 1, size) for place, size in enumerate(change.add))),
        capacity=snapshot.capacity - _size(snapshot, change.leave) + sum(change.add),
        largest_node=_largest(snapshot, change),
        queue=tuple(_waiting(snapshot.queue, change)),
        running=tuple(job for job in snapshot.running if job.id not in change.cancel),
    )


def _freed(snapshot: Snapshot, canceled: frozenset[int]) -> Counter[int]:
    freed: Counter[int] = Counter()
    for job in snapshot.running:
        for node, mask in job.devices if job.id in canceled else ():
            freed[node] |= mask
    return freed


def _size(snapshot: Snapshot, nodes: frozenset[int]) -> int:
    return sum(node.size for node in snapshot.nodes if node.id in nodes)


def _largest(snapshot: Snapshot, change: Change) -> int:
    """Give the largest node that is left; while some nodes are away, theirs may still be the largest."""
    here = [node.size for node in snapshot.nodes]
    left = [node.size for node in snapshot.nodes if node.id not in change.leave]
    return max([*left, *change.add, snapshot.largest_node if sum(here) < snapshot.capacity else 0])


def _waiting(queue: Sequence[Request], change: Change) -> list[Request]:
    staying = [request for request in queue if request.id not in change.cancel]
    return [replace(r, priority=change.priorities.get(r.id, r.priority)) for r in (*staying, *change.submit)]
