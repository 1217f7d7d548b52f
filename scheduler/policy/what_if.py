"""What-if: the effect of a change on a queue, by the same plan and forecast of a changed snapshot."""

from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.forecast import Expected, Start, forecast
from scheduler.policy.maintenance import with_maintenance
from scheduler.policy.plan import plan
from scheduler.policy.quota import counted
from scheduler.policy.snapshot import (
    Maintenance,
    Node,
    QueuedRequest,
    Rules,
    Running,
    Snapshot,
    with_unavailable,
)


@dataclass(frozen=True, slots=True)
class WhatIfChange:
    """A change of a group; several things may change at once.

    `drain`: nodes that drain; their devices do not become free again. `leave`: nodes that move to another group,
    likewise. `maintain`: new maintenance windows by node. `add`: sizes of new, empty nodes. `join`: nodes that come
    from another group; `joining`: the jobs that run on them; `join_away`: sizes of those that are not in service;
    `join_unavailable`: how many devices of the others no job can get; `join_maintenance`: their windows.
    `priorities`: new priorities by job. `cancel`: jobs that are canceled. `submit`: new jobs, with negative ids.
    `rules`: new settings of the group.
    """

    drain: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()
    maintain: Mapping[int, Maintenance] = field(default_factory=dict)
    add: tuple[int, ...] = ()
    priorities: Mapping[int, int] = field(default_factory=dict)
    cancel: frozenset[int] = frozenset()
    submit: tuple[QueuedRequest, ...] = ()
    join: tuple[Node, ...] = ()
    joining: tuple[Running, ...] = ()
    join_away: Mapping[int, int] = field(default_factory=dict)
    join_unavailable: Mapping[int, int] = field(default_factory=dict)
    join_maintenance: Mapping[int, tuple[Maintenance, ...]] = field(default_factory=dict)
    rules: Rules | None = None


class Effect(StrEnum):
    """The effect of a change on one waiting job."""

    SAME = "same"
    SOONER = "sooner"
    LATER = "later"
    STARTS = "starts"  # its start was unknown, and is known with the change
    STALLS = "stalls"  # its start was known, and is unknown with the change
    BREAKS = "breaks"  # it could start one day, and never can with the change


@dataclass(frozen=True, slots=True)
class StartChange:
    """When a job starts before and after the change (None: unknown), and why it does not start at once.

    `waits` and `waited` are the reasons after and before the change. `cut`: the forecasts end at
    `WhatIfResult.until_ms`, so a start of None may only be later than that.
    """

    request: QueuedRequest
    before: Start | None
    after: Start | None
    waits: Waits | None
    waited: Waits | None = None
    cut: bool = False

    @property
    def effect(self) -> Effect:
        """Return the effect of the change on the job."""
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
    return waits is not None and waits.reason is PendingReason.NEVER_FITS


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """The changed snapshot, and the effect on each waiting job in the order of the queue."""

    changed: Snapshot
    start_changes: tuple[StartChange, ...]
    stay: tuple[int, ...]
    """Running jobs on nodes that drain or leave, or still run when maintenance may begin; drains wait for them."""
    until_ms: int | None = None
    """When the forecasts were cut off; None if they were not."""
    capacity: int = 0
    """Devices of the group before the change, without those that an operator has taken out of service."""
    left: int = 0
    """The same after the change, without nodes that drain."""


def what_if(
    snapshot: Snapshot,
    expected: Expected,
    change: WhatIfChange,
    *,
    out: Mapping[int, int] = MappingProxyType({}),
    enough: Callable[[], bool] = lambda: False,
) -> WhatIfResult:
    """Return the effect of a change on the queue.

    `out`: how many devices of each node are out of service until an operator brings them back. `enough`: ends each of
    the two forecasts, as in `forecast`.
    """
    after_change = changed(snapshot, change)
    gone = change.drain | change.leave
    before = forecast(snapshot, expected, enough=enough)
    after = forecast(after_change, expected, leaving=gone, enough=enough)
    until = min((ms for ms in (before.until_ms, after.until_ms) if ms is not None), default=None)
    requests = {request.id: request for request in after_change.queue}
    there = _in_service(snapshot, out)
    left = {node: size for node, size in _in_service(after_change, out).items() if node not in change.drain}
    waited = _waits(snapshot, there.values())
    start_changes = tuple(
        StartChange(
            requests[id_],
            _within(before.starts.get(id_), until),
            _within(after.starts.get(id_), until),
            waits,
            waited.get(id_),
            cut=until is not None,
        )
        for id_, waits in _waits(after_change, left.values()).items()
    )
    stay = tuple(job.id for job in after_change.running if _stays(job, change))
    return WhatIfResult(after_change, start_changes, stay, until, sum(there.values()), sum(left.values()))


def _stays(job: Running, change: WhatIfChange) -> bool:
    """Whether a drain waits for a running job."""
    nodes = {node for node, _mask in job.devices}
    if nodes & change.drain or nodes & change.leave:
        return True
    begins = [change.maintain[node].from_ms for node in nodes if node in change.maintain]
    return bool(begins) and (job.ends_ms is None or job.ends_ms > min(begins))


def _in_service(snapshot: Snapshot, out: Mapping[int, int]) -> dict[int, int]:
    return {node: size - out.get(node, 0) for node, size in _sizes(snapshot).items()}


def _waits(snapshot: Snapshot, sizes: Collection[int]) -> dict[int, Waits | None]:
    """Return the pending reason of each waiting job, or None if it starts, in the order of the queue.

    A plan assumes that drained nodes come back, so a job that waits for them may be the head. Here only nodes of these
    sizes count, and a job that needs more never fits.
    """
    most = sum(sizes) if snapshot.combine else max(sizes, default=0)
    waits = {one.request_id: None if isinstance(one, Placed) else one for one in plan(snapshot)}
    never = {one.id: one.devices for one in snapshot.queue if one.devices > most}
    stuck = {id_: Waits(id_, PendingReason.NEVER_FITS, devices, most) for id_, devices in never.items() if waits[id_]}
    return {**waits, **stuck}


def _within(start: Start | None, until_ms: int | None) -> Start | None:
    """Return a start if it is before the end of both forecasts, beyond which they cannot be compared; else None."""
    return None if start and until_ms is not None and start.at_ms >= until_ms else start


def changed(snapshot: Snapshot, change: WhatIfChange) -> Snapshot:
    """Return the snapshot right after the change; devices of canceled jobs are being cleaned."""
    gone = change.drain | change.leave
    freed = _freed(snapshot, change.cancel)
    lost = [size for node, size in _sizes(snapshot).items() if node in change.leave]
    limits = snapshot.limits
    for job in snapshot.running:
        if job.id in change.cancel:
            limits = counted(limits, job, -1)
    nodes = [
        node._replace(free=0, coming=0) if node.id in gone else node._replace(coming=node.coming | freed[node.id])
        for node in snapshot.nodes
        if node.id not in change.leave
    ]
    new = [Node(-1 - place, (1 << size) - 1, size) for place, size in enumerate(change.add)]
    running = [_drained(job, change.drain) for job in snapshot.running if job.id not in change.cancel]
    windows = {node: mine for node, mine in snapshot.maintenance.items() if node not in change.leave}
    windows |= change.join_maintenance
    for node, window in change.maintain.items():
        windows[node] = tuple(sorted((*windows.get(node, ()), window)))
    changed = replace(
        snapshot,
        rules=change.rules or snapshot.rules,
        nodes=with_maintenance((*nodes, *change.join, *new), windows),
        maintenance=windows,
        capacity=snapshot.capacity - sum(lost) + sum(_coming(change)),
        largest_node=_largest(snapshot, change),
        queue=tuple(_waiting(snapshot.queue, change)),
        running=tuple(_together(running, change.joining)),
        limits=limits,
        away={**{node: size for node, size in snapshot.away.items() if node not in change.leave}, **change.join_away},
    )
    return with_unavailable(changed, _unavailable(snapshot, change))


def _unavailable(snapshot: Snapshot, change: WhatIfChange) -> Mapping[int, int] | None:
    """Return how many devices no job can get after the change: none of a drained node."""
    if snapshot.unavailable is None:
        return None
    drained = {node.id: node.size for node in snapshot.nodes if node.id in change.drain}
    return {**snapshot.unavailable, **change.join_unavailable, **drained}


def _drained(job: Running, nodes: Container[int]) -> Running:
    """Return a job whose devices on these nodes are not free when it ends."""
    there = tuple(place for place in job.devices if place[0] in nodes)
    return replace(job, lost=(*(place for place in job.lost if place[0] not in nodes), *there)) if there else job


def _together(here: Sequence[Running], joining: Sequence[Running]) -> list[Running]:
    """Return the jobs that run here and on nodes that join; one that runs on both is one job."""
    known = {job.id: job for job in here}
    for job in joining:
        mine = known.get(job.id)
        known[job.id] = job if mine is None else _both(mine, job)
    return list(known.values())


def _both(mine: Running, there: Running) -> Running:
    return replace(mine, devices=(*mine.devices, *there.devices), lost=(*mine.lost, *there.lost))


def _freed(snapshot: Snapshot, canceled: frozenset[int]) -> Counter[int]:
    freed: Counter[int] = Counter()
    here = {node.id for node in snapshot.nodes}
    for job in snapshot.running:
        for node, mask in job.returning(here) if job.id in canceled else ():
            freed[node] |= mask
    return freed


def _sizes(snapshot: Snapshot) -> dict[int, int]:
    """Return how many devices each node has, including nodes that are not in service."""
    return {**snapshot.away, **{node.id: node.size for node in snapshot.nodes}}


def _largest(snapshot: Snapshot, change: WhatIfChange) -> int:
    """Return the size of the largest node after the change."""
    left = (size for node, size in _sizes(snapshot).items() if node not in change.leave)
    return max([0, *left, *_coming(change)])


def _coming(change: WhatIfChange) -> list[int]:
    """Return the sizes of all nodes that are added or join, including those not in service."""
    return [*change.add, *(node.size for node in change.join), *change.join_away.values()]


def _waiting(queue: Sequence[QueuedRequest], change: WhatIfChange) -> list[QueuedRequest]:
    staying = [request for request in queue if request.id not in change.cancel]
    return [r._replace(priority=change.priorities.get(r.id, r.priority)) for r in (*staying, *change.submit)]
