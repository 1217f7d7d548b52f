"""Replay: a cluster in virtual time, in which jobs arrive, the plan of the product places them, and they end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import heads_after, plan, starts
from scheduler.policy.racks import free_devices
from scheduler.policy.snapshot import Node, Policy, QueuedRequest, Rules, Running, Snapshot
from scheduler.replay.decayed_usage import DecayedUsage
from scheduler.replay.queue import waiting_queue
from scheduler.replay.trace import TraceJob, TraceNode

DAY_MS = 86_400_000
STRICT = Rules()
Place = Callable[[Iterable[Node]], FreeDevices]


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """When a job ran, and on which devices, as (node number, mask)."""

    job: TraceJob
    start_ms: int
    end_ms: int
    devices: tuple[tuple[int, int], ...]

    @property
    def wait_ms(self) -> int:
        """Return the time from submission to start."""
        return self.start_ms - self.job.submitted_ms


@dataclass(frozen=True, slots=True)
class Replay:
    """The result: runs in the order of their start, and jobs that this cluster can never place."""

    nodes: tuple[TraceNode, ...]
    runs: tuple[ReplayedRun, ...]
    unplaceable: tuple[TraceJob, ...]

    @property
    def capacity(self) -> int:
        """Return the number of devices."""
        return sum(node.devices for node in self.nodes)

    def span_ms(self) -> tuple[int, int]:
        """Return when the first job that ran was submitted and when the last one ended."""
        first = min((run.job.submitted_ms for run in self.runs), default=0)
        return first, max((run.end_ms for run in self.runs), default=first)


def replay(
    nodes: Sequence[TraceNode],
    jobs: Sequence[TraceJob],
    *,
    place: Place | None = None,
    combine: bool = True,
    rules: Rules = STRICT,
    half_life_ms: int = DAY_MS,
) -> Replay:
    """Run all jobs, in the order of their submission, on one group with these rules, and return the result.

    `place` makes the index of free devices, which decides the placement; None: that of the rules. Without `combine` no
    job spans nodes.
    `half_life_ms` is for the policy `fair`. No job is preempted.
    """
    cluster = _Cluster(nodes, jobs, place, combine=combine, rules=rules, usage=DecayedUsage(half_life_ms))
    while (now_ms := cluster.next_ms()) is not None:
        cluster.advance(now_ms)
    return Replay(tuple(nodes), tuple(cluster.runs), cluster.unplaceable())


class _Cluster:
    """The state at one moment; ids of nodes and requests are their positions in the trace."""

    def __init__(
        self,
        nodes: Sequence[TraceNode],
        jobs: Sequence[TraceJob],
        place: Place | None,
        *,
        combine: bool,
        rules: Rules,
        usage: DecayedUsage,
    ) -> None:
        self.runs: list[ReplayedRun] = []
        self._running: dict[int, Running] = {}
        self._combine, self._rules, self._usage = combine, rules, usage
        self._jobs = jobs
        self._nodes = tuple(
            Node(i, (1 << node.devices) - 1, node.devices, rack=node.rack) for i, node in enumerate(nodes)
        )
        self._free = place(self._nodes) if place else free_devices(self._nodes, rules)
        self._capacity = self._free.total
        self._largest_node = self._free.best_node()
        self._requests = _requests(jobs)
        self._heads: Mapping[int, int] = {}
        self._until_ms: int | None = None
        self._misfits = self._never_fit()
        self._waiting = waiting_queue(rules.policy)
        self._arrived = 0
        self._ends: list[tuple[int, int]] = []

    def unplaceable(self) -> tuple[TraceJob, ...]:
        """Return the jobs that never start here; after the last event these include all that still wait."""
        waiting = {request.id for request in self._waiting.in_order({})}
        return tuple(job for i, job in enumerate(self._jobs) if i in waiting or i in self._misfits)

    def next_ms(self) -> int | None:
        """Return when a job next arrives or ends, or the reservation for the head ends; None at the end."""
        arrival = self._jobs[self._arrived].submitted_ms if self._arrived < len(self._jobs) else None
        end = self._ends[0][0] if self._ends else None
        return min((at for at in (arrival, end, self._until_ms) if at is not None), default=None)

    def advance(self, now_ms: int) -> None:
        """Process all ends, then all arrivals, of one moment, and then plan once."""
        while self._ends and self._ends[0][0] == now_ms:
            self._end(self._running.pop(heappop(self._ends)[1]), now_ms)
        while self._arrived < len(self._jobs) and self._jobs[self._arrived].submitted_ms == now_ms:
            if self._arrived not in self._misfits:
                self._waiting.add(self._requests[self._arrived])
            self._arrived += 1
        self._until_ms = None
        if self._waiting:
            self._start(now_ms)

    def _never_fit(self) -> set[int]:
        """Return the requests that never fit, by one plan, so that they are not tried at every moment."""
        decisions = plan(self._snapshot(0, tuple(self._requests)))
        return {d.request_id for d in decisions if isinstance(d, Waits) and d.reason is PendingReason.NEVER_FITS}

    def _start(self, now_ms: int) -> None:
        decayed_usage = self._usage.decayed_usage(now_ms) if self._rules.policy is Policy.FAIR else {}
        queue = self._waiting.in_order(decayed_usage)
        snapshot = self._snapshot(now_ms)
        found = starts(snapshot, self._free, queue)
        self._waiting.remove([self._requests[one.request_id] for one in found.placed])
        started = {one.request_id for one in found.placed}
        self._heads, self._until_ms = heads_after(snapshot, found.head, started), found.until_ms
        for one in found.placed:
            self._run(one, now_ms)

    def _snapshot(self, now_ms: int, queue: tuple[QueuedRequest, ...] = ()) -> Snapshot:
        return Snapshot(
            group_id=0,
            combine=self._combine,
            nodes=self._nodes,
            queue=queue,
            capacity=self._capacity,
            largest_node=self._largest_node,
            sda_slots={},
            rules=self._rules,
            now_ms=now_ms,
            running=tuple(self._running.values()) if self._rules.policy is Policy.BACKFILL else (),
            heads=self._heads,
        )

    def _run(self, placed: Placed, now_ms: int) -> None:
        number = placed.request_id
        job, request = self._jobs[number], self._requests[number]
        limit_ms = None if request.limit_ms is None else now_ms + request.limit_ms
        self._running[number] = Running(number, request.token_id, job.priority, placed.devices, now_ms, limit_ms)
        self._usage.change(request.token_id, job.devices, now_ms)
        heappush(self._ends, (now_ms + job.run_ms, number))
        self.runs.append(ReplayedRun(job, now_ms, now_ms + job.run_ms, placed.devices))

    def _end(self, job: Running, now_ms: int) -> None:
        for node, mask in job.devices:
            self._free.give_back(node, mask)
        self._usage.change(job.token_id, -self._jobs[job.id].devices, now_ms)


def _requests(jobs: Sequence[TraceJob]) -> list[QueuedRequest]:
    tokens: dict[str, int] = {}
    for job in jobs:
        tokens.setdefault(job.user, len(tokens))
    return [
        QueuedRequest(i, tokens[job.user], i, job.devices, job.priority, job.submitted_ms, job.limit_ms)
        for i, job in enumerate(jobs)
    ]
