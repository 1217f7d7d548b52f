"""A cluster in virtual time: jobs arrive, the product's own plan places them, they end."""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from scheduler.policy.ordering import queue_order
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import plan, starts
from scheduler.policy.reasons import Placed, Reason, Waits
from scheduler.policy.snapshot import Node, Request, Snapshot
from scheduler.replay.trace import TraceJob, TraceNode


@dataclass(frozen=True, slots=True)
class Run:
    """What a job got: its devices as (node number, mask), from when to when."""

    job: TraceJob
    start_ms: int
    end_ms: int
    devices: tuple[tuple[int, int], ...]

    @property
    def wait_ms(self) -> int:
        return self.start_ms - self.job.submitted_ms


@dataclass(frozen=True, slots=True)
class Replay:
    """The runs in the order of their start, and the jobs that this cluster can never place."""

    nodes: tuple[TraceNode, ...]
    runs: tuple[Run, ...]
    unplaceable: tuple[TraceJob, ...]

    @property
    def capacity(self) -> int:
        return sum(node.devices for node in self.nodes)

    def span_ms(self) -> tuple[int, int]:
        """Say when the first job that ran was submitted and when the last one ended."""
        first = min((run.job.submitted_ms for run in self.runs), default=0)
        return first, max((run.end_ms for run in self.runs), default=first)


def replay(
    nodes: Sequence[TraceNode],
    jobs: Sequence[TraceJob],
    *,
    place: Callable[[Iterable[Node]], FreeDevices] = FreeDevices,
    combine: bool = True,
) -> Replay:
    """Run all jobs, in the order of their submission, on one group by policy `strict`.

    `place` makes the free devices, so it decides which a job gets; without `combine` no job spans nodes.
    """
    cluster = _Cluster(nodes, jobs, place, combine=combine)
    while (now_ms := cluster.next_ms()) is not None:
        cluster.advance(now_ms)
    return Replay(tuple(nodes), tuple(cluster.runs), cluster.unplaceable())


class _Cluster:
    """The state at one instant; a node's and a request's id is its place in the trace."""

    def __init__(
        self,
        nodes: Sequence[TraceNode],
        jobs: Sequence[TraceJob],
        place: Callable[[Iterable[Node]], FreeDevices],
        *,
        combine: bool,
    ) -> None:
        self.runs: list[Run] = []
        self._combine = combine
        self._jobs = jobs
        self._nodes = tuple(Node(i, (1 << node.devices) - 1, node.devices) for i, node in enumerate(nodes))
        self._free = place(self._nodes)
        self._capacity = self._free.total
        self._largest_node = self._free.best_node()
        self._requests = [Request(i, 0, i, job.devices, job.priority, job.submitted_ms) for i, job in enumerate(jobs)]
        self._misfits = self._never_fit()
        self._queue: list[Request] = []
        self._arrived = 0
        self._ends: list[tuple[int, int]] = []

    def unplaceable(self) -> tuple[TraceJob, ...]:
        """List the jobs that never start here; at the end they are all who still wait."""
        waiting = {request.id for request in self._queue}
        return tuple(job for i, job in enumerate(self._jobs) if i in waiting or i in self._misfits)

    def next_ms(self) -> int | None:
        """Say when something happens next: a job ends or arrives."""
        arrival = self._jobs[self._arrived].submitted_ms if self._arrived < len(self._jobs) else None
        end = self._ends[0][0] if self._ends else None
        return min((at for at in (arrival, end) if at is not None), default=None)

    def advance(self, now_ms: int) -> None:
        """Let everything of one instant happen, ends first, and then plan once."""
        while self._ends and self._ends[0][0] == now_ms:
            for node, mask in self.runs[heappop(self._ends)[1]].devices:
                self._free.give_back(node, mask)
        while self._arrived < len(self._jobs) and self._jobs[self._arrived].submitted_ms == now_ms:
            if self._arrived not in self._misfits:
                insort(self._queue, self._requests[self._arrived], key=queue_order)
            self._arrived += 1
        if self._queue:
            self._start(now_ms)

    def _never_fit(self) -> set[int]:
        """Ask the plan, once, for whom it has no hope: they would be looked at again at every instant."""
        decisions = plan(self._snapshot(self._requests))
        return {d.request_id for d in decisions if isinstance(d, Waits) and d.reason is Reason.NEVER_FITS}

    def _start(self, now_ms: int) -> None:
        placed = {decision.request_id: decision for decision in starts(self._snapshot(self._queue), self._free)}
        if placed:
            self._queue = [request for request in self._queue if request.id not in placed]
        for decision in placed.values():
            self._run(decision, now_ms)

    def _snapshot(self, queue: Sequence[Request]) -> Snapshot:
        return Snapshot(0, self._combine, self._nodes, tuple(queue), self._capacity, self._largest_node, {})

    def _run(self, placed: Placed, now_ms: int) -> None:
        job = self._jobs[placed.request_id]
        heappush(self._ends, (now_ms + job.run_ms, len(self.runs)))
        self.runs.append(Run(job, now_ms, now_ms + job.run_ms, placed.devices))
