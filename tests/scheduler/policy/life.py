"""A group over many ticks: jobs come and end, devices are cleaned and drained, nodes go and come back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush

from scheduler.policy.decisions import Decision, Placed, Waits
from scheduler.policy.maintenance import after, with_maintenance
from scheduler.policy.plan import head_of, heads_after, plan
from scheduler.policy.preemption import still_helps
from scheduler.policy.snapshot import Maintenance, Node, QueuedRequest, Rules, Running, Snapshot, with_unavailable

Places = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class NodeState:
    """A node: masks of its devices that are free, being cleaned, draining, and out of service for good."""

    size: int
    free: int
    coming: int = 0
    draining: int = 0
    out: int = 0


@dataclass(slots=True)
class Event:
    """The snapshot and the decisions of one tick."""

    at_ms: int
    snapshot: Snapshot
    decisions: list[Decision]


@dataclass(slots=True)
class Life:
    """Let a group live: `arrive`, `do` and `run`; then `began`, `starts` and `preempted` tell what happened."""

    node_states: dict[int, NodeState]
    rules: Rules
    combine: bool = True
    clean_ms: int = 0
    notice_ms: int = 0
    now_ms: int = 0
    queue: dict[int, QueuedRequest] = field(default_factory=dict)
    running: dict[int, Running] = field(default_factory=dict)
    lasts: dict[int, int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    began: dict[int, int] = field(default_factory=dict)
    starts: list[tuple[int, int]] = field(default_factory=list)
    preempted: list[tuple[int, int, int]] = field(default_factory=list)
    maintenance: dict[int, tuple[Maintenance, ...]] = field(default_factory=dict)
    _agenda: list[tuple[int, int, Callable[[], object]]] = field(default_factory=list)
    _number: int = 0

    def at(self, at_ms: int, act: Callable[[], object]) -> None:
        """Do something then."""
        self._number += 1
        heappush(self._agenda, (at_ms, self._number, act))

    def arrive(self, request: QueuedRequest, lasts_ms: int) -> None:
        """Let a job come at the time of its request, and run for so long unless its limit ends it before."""
        lasts = lasts_ms if request.limit_ms is None else min(lasts_ms, request.limit_ms)
        self.lasts[request.id] = lasts
        self.at(request.requested_ms, lambda: self.queue.__setitem__(request.id, request))

    def run(self, until_ms: int, *, observed: Callable[[Event], None] = lambda _event: None) -> None:
        """Tick whenever something has happened, until then."""
        while self._agenda and self._agenda[0][0] <= until_ms:
            self.now_ms = self._agenda[0][0]
            while self._agenda and self._agenda[0][0] == self.now_ms:
                heappop(self._agenda)[2]()
            event = self._tick()
            observed(event)

    def drain(self, node: int) -> None:
        """Take a node's devices out of service, each as soon as nobody holds it."""
        state = self.node_states[node]
        state.draining, state.free, state.coming = (1 << state.size) - 1, 0, 0

    def maintain(self, node: int, from_ms: int, to_ms: int) -> None:
        """Plan maintenance of a node; what runs there then goes on."""
        self.maintenance[node] = tuple(sorted((*self.maintenance.get(node, ()), Maintenance(from_ms, to_ms))))
        for at_ms in (from_ms, to_ms):
            self.at(at_ms, lambda: None)

    def reserve(self, node: int, mask: int) -> None:
        """Take what is free of some devices for ever, as a reserved SDA does."""
        state = self.node_states[node]
        state.out |= state.free & mask
        state.free &= ~mask

    def release(self, node: int) -> None:
        """Return what was reserved on a node to service."""
        state = self.node_states[node]
        state.free, state.out = state.free | state.out, 0

    def snapshot(self) -> Snapshot:
        """Return the snapshot of now."""
        nodes = tuple(Node(pk, r.free, r.size, r.coming) for pk, r in self.node_states.items())
        windows = after(self.maintenance, self.now_ms)
        world = Snapshot(
            group_id=0,
            combine=self.combine,
            nodes=with_maintenance(nodes, windows),
            maintenance=windows,
            queue=tuple(self.queue.values()),
            capacity=sum(state.size for state in self.node_states.values()),
            largest_node=max(state.size for state in self.node_states.values()),
            sda_slots={},
            rules=self.rules,
            now_ms=self.now_ms,
            running=tuple(replace(job, lost=self._lost(job.devices)) for job in self.running.values()),
            heads=self.heads,
        )
        lost = {pk: (state.out | state.draining).bit_count() for pk, state in self.node_states.items()}
        return with_unavailable(world, lost) if world.is_guarded else world

    def _lost(self, devices: Places) -> Places:
        masks = ((node, mask & self.node_states[node].draining) for node, mask in devices)
        return tuple(place for place in masks if place[1])

    def _tick(self) -> Event:
        snapshot = self.snapshot()
        decisions = plan(snapshot)
        placed = [one for one in decisions if isinstance(one, Placed)]
        self.heads = heads_after(snapshot, head_of(decisions), {one.request_id for one in placed})
        for one in placed:
            self._begin(one)
        for waits in decisions:
            if isinstance(waits, Waits):
                self._give_notice(waits)
        return Event(self.now_ms, snapshot, decisions)

    def _begin(self, placed: Placed) -> None:
        request = self.queue.pop(placed.request_id)
        assert sum(mask.bit_count() for _node, mask in placed.devices) == request.devices
        assert self.combine or len(placed.devices) == 1
        for node, mask in placed.devices:
            state = self.node_states[node]
            assert mask & ~state.free == 0
            self._assert_no_maintenance(node, request)
            state.free &= ~mask
        ends_ms = None if request.limit_ms is None else self.now_ms + request.limit_ms
        job = Running(request.id, request.token_id, request.priority, placed.devices, self.now_ms, ends_ms)
        self.running[request.id] = job
        self.began[request.id] = self.now_ms
        self.starts.append((request.id, self.now_ms))
        begun = self.now_ms
        self.at(begun + self.lasts[request.id], lambda: self._end(request.id, begun))

    def _assert_no_maintenance(self, node: int, request: QueuedRequest) -> None:
        """A job with a limit never overlaps a window that was known at its start; one without starts in none."""
        last_ms = self.now_ms + (1 if request.limit_ms is None else request.limit_ms)
        for window in self.maintenance.get(node, ()):
            assert last_ms <= window.from_ms or window.to_ms <= self.now_ms

    def _end(self, job: int, begun_ms: int) -> bool:
        if job not in self.running or self.running[job].started_ms != begun_ms:
            return False  # it was preempted
        for node, mask in self.running.pop(job).devices:
            state = self.node_states[node]
            coming = mask & ~state.draining
            state.coming |= coming
            self.at(self.now_ms + self.clean_ms, partial(_clean, state, coming))
        return True

    def _give_notice(self, waits: Waits) -> None:
        for job in waits.victims:
            victim = self.running[job]
            self.running[job] = replace(victim, preempted=True)
            again = QueuedRequest(job, victim.token_id, job, _size(victim.devices), victim.priority, 0)
            self.at(self.now_ms + self.notice_ms, partial(self._leave, again, victim.started_ms))

    def _leave(self, again: QueuedRequest, begun_ms: int) -> None:
        """Let a job leave whose notice is over, as the service does: only if the head then starts."""
        if again.id not in self.running or self.running[again.id].started_ms != begun_ms:
            return
        snapshot = self.snapshot()
        head = self.queue.get(head_of(plan(snapshot)) or 0)
        if head is None or not still_helps(again.id, head, snapshot):
            self.running[again.id] = replace(self.running[again.id], preempted=False)
        elif self._end(again.id, begun_ms):
            self.queue[again.id] = again
            self.preempted.append((self.now_ms, again.id, head.id))


def _clean(state: NodeState, mask: int) -> None:
    clean = mask & ~state.draining
    state.coming &= ~mask
    state.free |= clean


def _size(devices: Iterable[tuple[int, int]]) -> int:
    return sum(mask.bit_count() for _node, mask in devices)


def node_states(*sizes: int) -> dict[int, NodeState]:
    """Return empty nodes of these sizes."""
    return {pk: NodeState(size, (1 << size) - 1) for pk, size in enumerate(sizes, 1)}
