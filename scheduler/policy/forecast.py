"""Forecast: when waiting jobs will start, by running the plan in virtual time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heapify, heappop, heappush

from scheduler.policy.decisions import BLOCKING, PendingReason, Placed, Waits
from scheduler.policy.maintenance import after, with_maintenance
from scheduler.policy.ordering import in_order
from scheduler.policy.plan import heads_after, plan, starts
from scheduler.policy.quota import QuotaLedger, counted
from scheduler.policy.racks import free_devices
from scheduler.policy.snapshot import Limits, Policy, QueuedRequest, Running, Snapshot, with_unavailable

MOST_STEPS = 2_000  # moments; the start of a job that has not started by then is unknown


@dataclass(frozen=True, slots=True)
class Expected:
    """How long jobs are expected to run, in ms: waiting ones from their start, running ones from now on.

    The end of a job that is missing here is unknown, and so is the start of jobs that wait for its devices. The same is
    true of running jobs with 0 or less, which should have ended already. `limited` are jobs of which only the time
    limit is known: they end then at the latest.
    """

    runs: Mapping[int, int]
    remaining: Mapping[int, int]
    limited: frozenset[int] = frozenset()


class Basis(StrEnum):
    """What an estimated start rests on. The values stay as they are on the wire."""

    FREE = "FREE"  # no job has to end first
    LIMITS = "LIMITS"  # time limits of the jobs that end first; it starts then at the latest, as no early end delays it
    MAINTENANCE = "MAINTENANCE"  # the planned end of maintenance, and perhaps time limits
    HISTORY = "HISTORY"  # runtime history, or time limits where an early end may delay it


CERTAIN_FIRST = (Basis.FREE, Basis.LIMITS, Basis.MAINTENANCE, Basis.HISTORY)


@dataclass(frozen=True, slots=True)
class Start:
    """When a waiting job starts, on which devices, and what that rests on."""

    at_ms: int
    devices: tuple[tuple[int, int], ...]
    basis: Basis = Basis.FREE


@dataclass(frozen=True, slots=True)
class Forecast:
    """When waiting jobs start; the start of a job that is missing is unknown, or later than `until_ms`.

    `until_ms`: when the forecast was cut off; None if it was not.
    """

    starts: Mapping[int, Start]
    until_ms: int | None = None


def forecast(
    snapshot: Snapshot,
    expected: Expected,
    *,
    leaving: Iterable[int] = (),
    most_steps: int = MOST_STEPS,
    enough: Callable[[], bool] = lambda: False,
) -> Forecast:
    """Return when waiting jobs start if no other job arrives and none is preempted.

    Devices that are being cleaned count as free. Devices of nodes that are `leaving` do not become free again, those of
    nodes in maintenance only when it ends as planned. `enough` is called at each moment: the caller, which has a clock,
    ends the forecast by it.
    """
    future = _Future(snapshot, expected, frozenset(leaving))
    for _step in range(most_steps):
        future.start()
        if not future.advance():
            return Forecast(future.found)
        if enough():
            break
    return Forecast(future.found, future.now_ms)


class _Future:
    """The state of the group at one future moment."""

    def __init__(self, snapshot: Snapshot, expected: Expected, leaving: frozenset[int]) -> None:
        nodes = tuple(node._replace(free=node.free | node.coming, coming=0) for node in snapshot.nodes)
        self.found: dict[int, Start] = {}
        self._now = replace(snapshot, nodes=nodes, queue=tuple(in_order(snapshot)))
        self._free = free_devices(nodes, snapshot.rules)
        self._here = {node.id for node in nodes} - leaving
        self._expected = expected
        self._running = {job.id: job for job in snapshot.running}
        remaining = expected.remaining.items()
        self._ends = [(snapshot.now_ms + ms, id_) for id_, ms in remaining if ms > 0 and id_ in self._running]
        heapify(self._ends)
        self._slots = dict(snapshot.sda_slots)
        self._sdas: dict[int, int] = {}
        self._reopens = sorted({one.to_ms for mine in snapshot.maintenance.values() for one in mine}, reverse=True)
        self._basis = Basis.FREE
        self._sure = _sure(self._now)
        self._until_ms: int | None = None

    @property
    def now_ms(self) -> int:
        return self._now.now_ms

    def start(self) -> None:
        """Start all jobs that can start now."""
        if not self._now.queue:
            return
        waiting = {request.id: request for request in self._now.queue}
        now = starts(self._now, self._free)
        for decision in now.placed:
            self._begin(waiting.pop(decision.request_id), decision)
        self._until_ms = now.until_ms
        self._now = replace(self._now, heads=heads_after(self._now, now.head, self.found))
        if now.placed:
            self._go_on(self._now.now_ms, tuple(waiting.values()))

    def advance(self) -> bool:
        """Go to the next moment at which a job or a reservation ends; return False if none is known."""
        known = [self._ends[0][0]] if self._ends else []
        if self._until_ms is not None:
            known.append(self._until_ms)
        if self._reopens:
            known.append(self._reopens[-1])
        if not known or not self._now.queue:
            return False
        at_ms = max(self._now.now_ms, min(known))
        limits = self._now.limits
        while self._ends and self._ends[0][0] == at_ms:
            id_ = heappop(self._ends)[1]
            limits = self._end(id_, limits)
            self._rest_on(Basis.LIMITS if id_ in self._expected.limited else Basis.HISTORY)
        self._now = replace(self._now, limits=limits)
        if self._reopens and self._reopens[-1] <= at_ms:
            self._end_maintenance(at_ms)
        self._go_on(at_ms, self._now.queue)
        return True

    def _rest_on(self, basis: Basis) -> None:
        """Note what later starts rest on, unless what they rest on already is less certain."""
        self._basis = max(self._basis, basis, key=CERTAIN_FIRST.index)

    def _end_maintenance(self, at_ms: int) -> None:
        """End the windows that are over by then: what they have drained comes back."""
        while self._reopens and self._reopens[-1] <= at_ms:
            self._reopens.pop()
        windows = self._now.maintenance
        back: dict[int, int] = {}
        for node, mine in windows.items():
            for one in mine:
                if one.to_ms <= at_ms:
                    back[node] = back.get(node, 0) | one.drained
        held = self._keep_draining(back)
        nodes = tuple(
            node._replace(free=self._free.on(node.id) | back.get(node.id, 0) & ~held.get(node.id, 0))
            for node in self._now.nodes
        )
        left = after(windows, at_ms)
        nodes = with_maintenance([node._replace(until_ms=None) for node in nodes], left)
        self._free = free_devices(nodes, self._now.rules)
        self._now = _available_again(replace(self._now, nodes=nodes, maintenance=left), back)
        self._rest_on(Basis.MAINTENANCE)

    def _keep_draining(self, back: Mapping[int, int]) -> dict[int, int]:
        """Let running jobs keep the drained devices that come back; return those devices."""
        held: dict[int, int] = {}
        for job in list(self._running.values()):
            mine = {node: mask & back[node] for node, mask in job.devices if back.get(node)}
            for node, mask in mine.items():
                held[node] = held.get(node, 0) | mask
            if mine and job.lost:
                lost = ((node, mask & ~mine.get(node, 0)) for node, mask in job.lost)
                self._running[job.id] = replace(job, lost=tuple(place for place in lost if place[1]))
        return held

    def _begin(self, request: QueuedRequest, placed: Placed) -> None:
        at_ms = self._now.now_ms
        basis = Basis.HISTORY if self._basis is Basis.LIMITS and request.id not in self._sure else self._basis
        self.found[request.id] = Start(at_ms, placed.devices, basis)
        limit = None if request.limit_ms is None else at_ms + request.limit_ms
        job = Running(request.id, request.token_id, request.priority, placed.devices, at_ms, limit)
        self._running[request.id] = job
        self._now = replace(self._now, limits=counted(self._now.limits, job, 1))
        if request.sda_id in self._slots:
            self._slots[request.sda_id] -= 1
            self._sdas[request.id] = request.sda_id
        if request.id in self._expected.runs:
            heappush(self._ends, (at_ms + self._expected.runs[request.id], request.id))

    def _end(self, id_: int, limits: Limits) -> Limits:
        job = self._running.pop(id_)
        for node, mask in job.returning(self._here):
            self._free.give_back(node, mask)
        if id_ in self._sdas:
            self._slots[self._sdas.pop(id_)] += 1
        return counted(limits, job, -1)

    def _go_on(self, at_ms: int, queue: tuple[QueuedRequest, ...]) -> None:
        running = tuple(self._running.values())
        self._now = replace(self._now, now_ms=at_ms, queue=queue, running=running, sda_slots=dict(self._slots))


def _available_again(snapshot: Snapshot, back: Mapping[int, int]) -> Snapshot:
    """Return the snapshot with devices that a job can get again."""
    if snapshot.unavailable is None:
        return snapshot
    fewer = {node: max(0, count - back.get(node, 0).bit_count()) for node, count in snapshot.unavailable.items()}
    return with_unavailable(snapshot, fewer)


def _sure(snapshot: Snapshot) -> frozenset[int]:
    """Return the jobs that an early end of others cannot delay: the head, and if no job may pass it, those behind it.

    With backfill, jobs behind the head may start first; and where a job must fit on one node, others may start on it. A
    job that waits for a limit of its own may go first once it is below the limit.
    """
    waiting = {request.id: request for request in snapshot.queue}
    everyone = snapshot.rules.policy is Policy.STRICT and snapshot.combine
    quota = QuotaLedger(snapshot.limits, snapshot.sda_slots)
    sure: list[int] = []
    for one in plan(snapshot):
        request = waiting[one.request_id]
        if isinstance(one, Waits):
            if one.stuck:
                continue
            apart = one.reason not in (*BLOCKING, PendingReason.BLOCKED_BY_HEAD)
            if apart or (sure and (not everyone or quota.violation(request))):
                break
            sure.append(request.id)
        quota.take(request)
    return frozenset(sure)
