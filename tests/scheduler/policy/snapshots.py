"""Random snapshots, and a second, slow implementation of the placement rules."""

from dataclasses import replace

from hypothesis import strategies as st

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Limit, Limits, Node, Policy, QueuedRequest, Rules, Running, Snapshot


def bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


def neighbours(mask: int) -> bool:
    return bits(mask) == list(range(min(bits(mask)), max(bits(mask)) + 1))


def has_run(free: int, count: int) -> bool:
    return any(free >> start & (1 << count) - 1 == (1 << count) - 1 for start in range(free.bit_length()))


@st.composite
def nodes(draw: st.DrawFn, most: int = 12) -> tuple[Node, ...]:
    sizes = draw(st.sampled_from([[8], [4], [2, 8], [1, 2, 4, 8, 16], list(range(1, 17))]))
    ids = draw(st.lists(st.integers(0, 99), unique=True, max_size=most))
    drawn = []
    for id_ in ids:
        size = draw(st.sampled_from(sizes))
        full = (1 << size) - 1
        drawn.append(Node(id_, draw(st.just(full) | st.integers(0, full)), size))
    return tuple(drawn)


@st.composite
def requests(draw: st.DrawFn) -> tuple[QueuedRequest, ...]:
    ids = draw(st.lists(st.integers(1, 999), unique=True, max_size=15))
    return tuple(
        QueuedRequest(
            id=id_,
            token_id=draw(st.integers(1, 3)),
            sda_id=draw(st.integers(1, 6)),
            devices=draw(st.integers(1, 8) | st.integers(1, 60)),
            priority=draw(st.integers(-2, 2)),
            requested_ms=draw(st.integers(0, 3)),
        )
        for id_ in ids
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    active = draw(nodes())
    asleep = draw(st.lists(st.integers(1, 16), max_size=2))
    sizes = [node.size for node in active] + asleep
    return Snapshot(
        group_id=0,
        combine=draw(st.booleans()),
        nodes=active,
        queue=draw(requests()),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        away={-1 - place: size for place, size in enumerate(asleep)},
        sda_slots=draw(st.dictionaries(st.integers(1, 6), st.integers(0, 2), max_size=3)),
    )


def nodes_by_the_book(free: dict[int, int], sizes: dict[int, int], count: int, combine: bool) -> list[tuple[int, int]]:
    """Say how many devices of which node a job gets: scan everything, and follow scheduling.md to the letter."""
    left = {id_: mask.bit_count() for id_, mask in free.items()}
    chosen: list[tuple[int, int]] = []
    while count:
        fitting = [id_ for id_ in left if left[id_] >= count]
        if fitting:
            best = min(fitting, key=lambda id_: (left[id_], left[id_] == sizes[id_], id_))
            return [*chosen, (best, count)]
        if not combine or sum(left.values()) < count:
            return []
        whole = [id_ for id_ in left if left[id_] == sizes[id_]]
        best = min(whole or left, key=lambda id_: (-left[id_], id_))
        chosen.append((best, left[best]))
        count -= left.pop(best)
    return chosen


@st.composite
def live_snapshots(draw: st.DrawFn, rules: st.SearchStrategy[Rules] | None = None) -> Snapshot:
    """A snapshot with all that policies other than `strict` look at: running jobs, limits, use, rules."""
    plain = draw(snapshots())
    now_ms = 1000
    running, free_on = [], {}
    for node in plain.nodes:
        taken = ((1 << node.size) - 1) & ~node.free
        mine = draw(st.integers(0, taken)) & taken
        free_on[node.id] = draw(st.integers(0, taken)) & taken & ~mine
        if mine:
            running.append(_running(draw, 1000 + node.id, node.id, mine))
    return replace(
        plain,
        nodes=tuple(node._replace(coming=free_on[node.id]) for node in plain.nodes),
        queue=tuple(r._replace(limit_ms=draw(st.none() | st.integers(1, 99))) for r in plain.queue),
        now_ms=now_ms,
        running=tuple(running),
        rules=draw(rules if rules is not None else any_rules()),
        limits=draw(any_limits()),
        decayed_usage=draw(st.dictionaries(st.integers(1, 3), st.floats(0, 1e6), max_size=3)),
    )


def _running(draw: st.DrawFn, id_: int, node: int, mask: int) -> Running:
    return Running(
        id=id_,
        token_id=draw(st.integers(1, 3)),
        priority=draw(st.integers(-2, 2)),
        devices=((node, mask),),
        started_ms=draw(st.integers(0, 1000)),
        ends_ms=draw(st.none() | st.integers(1001, 1100)),
        preempted=draw(st.booleans()),
        fixed=draw(st.booleans()),
    )


def any_rules() -> st.SearchStrategy[Rules]:
    return st.builds(
        Rules,
        policy=st.sampled_from(Policy),
        guard_ms=st.sampled_from([0, 10_000]),
        preempt=st.booleans(),
        min_run_ms=st.sampled_from([0, 500]),
        draining=st.just(False),
    )


def any_limits() -> st.SearchStrategy[Limits]:
    limit = st.builds(Limit, st.integers(0, 8), st.integers(0, 16))
    tokens = st.dictionaries(st.integers(1, 3), limit, max_size=2)
    groups_of = st.dictionaries(st.integers(1, 3), st.sampled_from([(), (7,), (7, 8)]), max_size=3)
    stopped = st.frozensets(st.integers(1, 3), max_size=1)
    return st.builds(Limits, tokens, st.fixed_dictionaries({7: limit, 8: limit}), groups_of, stopped)


def start_of_head(snapshot: Snapshot, lasts_ms: dict[int, int], ends: dict[int, int]) -> int:
    """Let time pass from a snapshot until the job that is its head now has started; return when.

    `lasts_ms` is how long each waiting job will run, `ends` when each running one ends. Nothing arrives.
    """
    head = next((d.request_id for d in plan(snapshot) if isinstance(d, Waits) and _blocks(d)), None)
    now, busy = snapshot, dict(ends)
    while head is not None:
        placed = {d.request_id: d for d in plan(now) if isinstance(d, Placed)}
        now = _after(now, placed, busy, lasts_ms)
        if head in placed:
            return now.now_ms
        if not busy:
            return 1 << 60  # devices that no job holds never come back here
        now = _until(now, busy)
    return 0


def _blocks(waits: Waits) -> bool:
    return waits.reason in (
        PendingReason.NOT_ENOUGH_DEVICES,
        PendingReason.NO_SINGLE_NODE,
        PendingReason.NO_ACTIVE_BACKEND,
    )


def _after(now: Snapshot, placed: dict[int, Placed], busy: dict[int, int], lasts_ms: dict[int, int]) -> Snapshot:
    """Start what is placed."""
    free = {node.id: node.free for node in now.nodes}
    slots, running = dict(now.sda_slots), list(now.running)
    for request in now.queue:
        if request.id in placed:
            busy[request.id] = now.now_ms + lasts_ms[request.id]
            limit = request.limit_ms and now.now_ms + request.limit_ms
            devices = placed[request.id].devices
            running.append(Running(request.id, request.token_id, request.priority, devices, now.now_ms, limit))
            for node, mask in devices:
                free[node] &= ~mask
            if request.sda_id in slots:
                slots[request.sda_id] -= 1
    return replace(
        now,
        nodes=tuple(node._replace(free=free[node.id]) for node in now.nodes),
        queue=tuple(request for request in now.queue if request.id not in placed),
        running=tuple(running),
        sda_slots=slots,
        limits=Limits(),
    )


def _until(now: Snapshot, busy: dict[int, int]) -> Snapshot:
    """Let time pass until the next job ends."""
    at = min(busy.values())
    over = {id_ for id_, end in busy.items() if end == at}
    free = {node.id: node.free for node in now.nodes}
    for one in now.running:
        for node, mask in one.devices if one.id in over else ():
            free[node] |= mask
    for id_ in over:
        del busy[id_]
    return replace(
        now,
        now_ms=at,
        nodes=tuple(node._replace(free=free[node.id]) for node in now.nodes),
        running=tuple(one for one in now.running if one.id not in over),
    )


def all_starts(snapshot: Snapshot, lasts_ms: dict[int, int], ends: dict[int, int]) -> dict[int, int]:
    """Let time pass until nothing more happens; return when each job that starts does."""
    now, busy, found = snapshot, dict(ends), {}
    while True:
        placed = {d.request_id: d for d in plan(now) if isinstance(d, Placed)}
        found.update(dict.fromkeys(placed, now.now_ms))
        now = _after(now, placed, busy, lasts_ms)
        if not busy or not now.queue:
            return found
        now = _until(now, busy)
