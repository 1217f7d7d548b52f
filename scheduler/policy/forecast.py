"""When waiting jobs will start, by letting the plan run on in virtual time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heapify, heappop, heappush

from scheduler.policy.ordering import in_order
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import starts
from scheduler.policy.reasons import Placed
from scheduler.policy.snapshot import Limit, Limits, Request, Running, Snapshot

MOST_STEPS = 2_000  # moments looked at; whoever has not started by then starts at a time that nobody knows


@dataclass(frozen=True, slots=True)
class Expected:
    """How long jobs are expected to run, in milliseconds: waiting ones from their start, running ones from now on.

    A job that is missing ends at a time that nobody knows, and whoever waits for its devices starts at such a time.
    `limited` are the jobs of which only their time limit is known: they end then at the latest.
    """

    runs: Mapping[int, int]
    remaining: Mapping[int, int]
    limited: frozenset[int] = frozenset()


class Basis(StrEnum):
    """What an estimated start rests on. The values stay as they are on the wire."""

    FREE = "FREE"  # nobody has to end first
    LIMITS = "LIMITS"  # time limits: all who end before it do so then at the latest
    HISTORY = "HISTORY"  # how long such jobs ran before


@dataclass(frozen=True, slots=True)
class Start:
    """A waiting job starts then, on these devices."""

    at_ms: int
    devices: tuple[tuple[int, int], ...]
    basis: Basis = Basis.FREE


@dataclass(frozen=True, slots=True)
class Foreseen:
    """When waiting jobs start; of those that are missing nobody knows, or only that it is later than `until_ms`.

    `until_ms`: nobody looked further than this; None: as far as anything is known.
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
) -> Foreseen:
    """Say when waiting jobs start, if nothing else arrives and nobody is preempted.

    Devices that are being cleaned count as free. Nothing comes back on nodes that are `leaving`. `enough` is asked
    before each moment, so that the caller, who has a clock, can end it.
    """
    future = _Future(snapshot, expected, frozenset(leaving))
    for _step in range(most_steps):
        future.start()
        if not future.advance():
            return Foreseen(future.found)
        if enough():
            break
    return Foreseen(future.found, future.now_ms)


class _Future:
    """The world at one moment to come."""

    def __init__(self, snapshot: Snapshot, expected: Expected, leaving: frozenset[int]) -> None:
        nodes = tuple(node._replace(free=node.free | node.coming, coming=0) for node in snapshot.nodes)
        self.found: dict[int, Start] = {}
        self._now = replace(snapshot, nodes=nodes, queue=tuple(in_order(snapshot)))
        self._free = FreeDevices(nodes)
        self._here = {node.id for node in nodes} - leaving
        self._expected = expected
        self._running = {job.id: job for job in snapshot.running}
        self._ends = [(snapshot.now_ms + ms, id_) for id_, ms in expected.remaining.items() if id_ in self._running]
        heapify(self._ends)
        self._slots = dict(snapshot.sda_slots)
        self._sdas: dict[int, int] = {}
        self._basis = Basis.FREE

    @property
    def now_ms(self) -> int:
        return self._now.now_ms

    def start(self) -> None:
        """Let everybody start who can now."""
        if not self._now.queue:
            return
        asked = {request.id: request for request in self._now.queue}
        placed = list(starts(self._now, self._free))
        for decision in placed:
            self._begin(asked.pop(decision.request_id), decision)
        if placed:
            self._go_on(self._now.now_ms, tuple(asked.values()))

    def advance(self) -> bool:
        """Go to the next moment at which a job ends; False when there is none that anybody knows of."""
        if not self._ends or not self._now.queue:
            return False
        at_ms = self._ends[0][0]
        limits = self._now.limits
        while self._ends and self._ends[0][0] == at_ms:
            id_ = heappop(self._ends)[1]
            limits = self._end(id_, limits)
            if self._basis is not Basis.HISTORY:
                self._basis = Basis.LIMITS if id_ in self._expected.limited else Basis.HISTORY
        self._now = replace(self._now, limits=limits)
        self._go_on(at_ms, self._now.queue)
        return True

    def _begin(self, request: Request, placed: Placed) -> None:
        at_ms = self._now.now_ms
        self.found[request.id] = Start(at_ms, placed.devices, self._basis)
        limit = None if request.limit_ms is None else at_ms + request.limit_ms
        job = Running(request.id, request.token_id, request.priority, placed.devices, at_ms, limit)
        self._running[request.id] = job
        self._now = replace(self._now, limits=_counted(self._now.limits, job, 1))
        if request.sda_id in self._slots:
            self._slots[request.sda_id] -= 1
            self._sdas[request.id] = request.sda_id
        if request.id in self._expected.runs:
            heappush(self._ends, (at_ms + self._expected.runs[request.id], request.id))

    def _end(self, id_: int, limits: Limits) -> Limits:
        job = self._running.pop(id_)
        for node, mask in job.devices:
            if node in self._here:
                self._free.give_back(node, mask)
        if id_ in self._sdas:
            self._slots[self._sdas.pop(id_)] += 1
        return _counted(limits, job, -1)

    def _go_on(self, at_ms: int, queue: tuple[Request, ...]) -> None:
        running = tuple(self._running.values())
        self._now = replace(self._now, now_ms=at_ms, queue=queue, running=running, sda_slots=dict(self._slots))


def _counted(limits: Limits, job: Running, sign: int) -> Limits:
    """Count a job's devices in or out of what its token and groups hold."""
    count = sign * sum(mask.bit_count() for _node, mask in job.devices)
    tokens, groups = dict(limits.tokens), dict(limits.groups)
    if held := tokens.get(job.token_id):
        tokens[job.token_id] = Limit(held.held + count, held.most)
    for group in limits.groups_of.get(job.token_id, ()):
        groups[group] = Limit(groups[group].held + count, groups[group].most)
    return replace(limits, tokens=tokens, groups=groups)
