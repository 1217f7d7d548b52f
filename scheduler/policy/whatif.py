"""What an operator's change would do to a queue: the same plan and forecast, on a world that is changed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from scheduler.policy.forecast import Expected, Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Placed, Reason, Waits
from scheduler.policy.snapshot import Node, Request, Rules, Running, Snapshot


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked about; several things may change at once.

    `drain`: nodes that take no new jobs and give nothing back. `leave`: nodes that move to another group, likewise.
    `add`: sizes of nodes that come, empty. `join`: nodes that come from another group, with what runs on them
    (`joining`). `priorities`: new ones, by job. `cancel`: jobs that are taken out of the queue or ended. `submit`:
    jobs that are not there yet; their ids are negative. `rules`: what holds for the group from now on.
    """

    drain: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()
    add: tuple[int, ...] = ()
    priorities: Mapping[int, int] = field(default_factory=dict)
    cancel: frozenset[int] = frozenset()
    submit: tuple[Request, ...] = ()
    join: tuple[Node, ...] = ()
    joining: tuple[Running, ...] = ()
    rules: Rules | None = None


class Effect(StrEnum):
    """What becomes of one waiting job."""

    SAME = "same"
    SOONER = "sooner"
    LATER = "later"
    STARTS = "starts"  # when it would start could not be told before, and can be now
    STALLS = "stalls"  # it cannot be told any more
    BREAKS = "breaks"  # it could start one day, and never can with the change


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a job starts without and with the change (None: nobody knows), and why it does not at once either way.

    `cut`: nobody looked further than `Answer.until_ms`, so that None may only mean later than that.
    """

    request: Request
    before: Start | None
    after: Start | None
    waits: Waits | None
    waited: Waits | None = None
    cut: bool = False

    @property
    def effect(self) -> Effect:
        """Say in one word what becomes of it."""
        if _never(self.waits) and not _never(self.waited):
            return Effect.BREAKS
        if self.before is None and self.after is None:
            return Effect.SAME
        if self.before is None:
            return Effect.SOONER if self.cut else Effect.STARTS
        if self.after is None:
            return Effect.LATER if self.cut else Effect.STALLS
        earlier = self.before.at_ms - self.after.at_ms
        return Effect.SAME if not earlier else Effect.SOONER if earlier > 0 else Effect.LATER


def _never(waits: Waits | None) -> bool:
    return waits is not None and waits.reason is Reason.NEVER_FITS


@dataclass(frozen=True, slots=True)
class Answer:
    """Every waiting job, in the order in which it would be tried, and the jobs on nodes that are to go."""

    world: Snapshot
    outcomes: tuple[Outcome, ...]
    stay: tuple[int, ...]
    """Running jobs on nodes that drain or leave: the drain waits for them."""
    until_ms: int | None = None
    """Nobody looked further than this; None: as far as anything is known."""


def what_if(
    snapshot: Snapshot, expected: Expected, change: Change, *, enough: Callable[[], bool] = lambda: False
) -> Answer:
    """Answer what becomes of the queue when the change is made now; `enough` as for `forecast`, asked of each half."""
    world = changed(snapshot, change)
    gone = change.drain | change.leave
    before = forecast(snapshot, expected, enough=enough)
    after = forecast(world, expected, leaving=gone, enough=enough)
    until = min((ms for ms in (before.until_ms, after.until_ms) if ms is not None), default=None)
    asked = {request.id: request for request in world.queue}
    waited = _waits(snapshot)
    outcomes = tuple(
        Outcome(
            asked[id_],
            _within(before.starts.get(id_), until),
            _within(after.starts.get(id_), until),
            waits,
            waited.get(id_),
            cut=until is not None,
        )
        for id_, waits in _waits(world).items()
    )
    stay = tuple(job.id for job in world.running if any(node in gone for node, _mask in job.devices))
    return Answer(world, outcomes, stay, until)


def _waits(world: Snapshot) -> dict[int, Waits | None]:
    """Plan: who waits for what, and who does not, in the order in which they are tried."""
    return {one.request_id: None if isinstance(one, Placed) else one for one in plan(world)}


def _within(start: Start | None, until_ms: int | None) -> Start | None:
    """Keep a start only up to the moment to which both futures were looked at: beyond it they cannot be compared."""
    return None if start and until_ms is not None and start.at_ms >= until_ms else start


def changed(snapshot: Snapshot, change: Change) -> Snapshot:
    """Give the world as it is right after the change; devices of jobs that are canceled are being cleaned."""
    gone = change.drain | change.leave
    freed = _freed(snapshot, change.cancel)
    nodes = [
        node._replace(free=0, coming=0) if node.id in gone else node._replace(coming=node.coming | freed[node.id])
        for node in snapshot.nodes
        if node.id not in change.leave
    ]
    new = [Node(-1 - place, (1 << size) - 1, size) for place, size in enumerate(change.add)]
    running = [job for job in snapshot.running if job.id not in change.cancel]
    return replace(
        snapshot,
        rules=change.rules or snapshot.rules,
        nodes=(*nodes, *change.join, *new),
        capacity=snapshot.capacity - _size(snapshot, change.leave) + sum(node.size for node in (*change.join, *new)),
        largest_node=_largest(snapshot, change),
        queue=tuple(_waiting(snapshot.queue, change)),
        running=tuple(_together(running, change.joining)),
    )


def _together(here: Sequence[Running], joining: Sequence[Running]) -> list[Running]:
    """Put together what runs here and on nodes that come, also where it is one job."""
    known = {job.id: job for job in here}
    for job in joining:
        mine = known.get(job.id)
        known[job.id] = job if mine is None else replace(mine, devices=(*mine.devices, *job.devices))
    return list(known.values())


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
    come = [*change.add, *(node.size for node in change.join)]
    return max([*left, *come, snapshot.largest_node if sum(here) < snapshot.capacity else 0])


def _waiting(queue: Sequence[Request], change: Change) -> list[Request]:
    staying = [request for request in queue if request.id not in change.cancel]
    return [r._replace(priority=change.priorities.get(r.id, r.priority)) for r in (*staying, *change.submit)]
