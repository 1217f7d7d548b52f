"""A replay under each policy: what the product's own plan does at each instant, written down a second time, slowly."""

from dataclasses import replace
from datetime import timedelta
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import from_ms
from scheduler.cycle.fair_share import weight
from scheduler.policy.decisions import Placed
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import head_of, heads_after, plan
from scheduler.policy.snapshot import Node, Policy, QueuedRequest, Rules, Running, Snapshot
from scheduler.replay.decayed_usage import DecayedUsage
from scheduler.replay.engine import replay
from scheduler.replay.trace import TraceJob, TraceNode

HALF_LIFE_MS = 30
sizes = st.sampled_from([1, 2, 4])
worlds = st.lists(st.builds(TraceNode, st.just("n"), sizes), min_size=1, max_size=3)
drawn_jobs = st.lists(
    st.builds(
        TraceJob,
        name=st.just("j"),
        user=st.sampled_from("abc"),
        devices=st.integers(1, 6),
        priority=st.sampled_from([0, 0, 5]),
        submitted_ms=st.integers(0, 20),
        run_ms=st.integers(1, 15),
        limit_ms=st.none() | st.integers(15, 20),
    ),
    max_size=15,
)
rules = st.builds(Rules, policy=st.sampled_from(Policy), guard_ms=st.sampled_from([0, 5, 1000]))


def starts_by_the_plan(nodes: list[TraceNode], jobs: list[TraceJob], rules: Rules) -> dict[int, int]:
    """Return when each job starts: at every instant, the whole queue is planned from all that is known."""
    users = list(dict.fromkeys(job.user for job in jobs))
    capacity = sum(node.devices for node in nodes)
    requests = [
        QueuedRequest(i, users.index(j.user), i, j.devices, j.priority, j.submitted_ms, j.limit_ms)
        for i, j in enumerate(jobs)
    ]
    rooms = tuple(Node(i, (1 << node.devices) - 1, node.devices) for i, node in enumerate(nodes))
    free, use = FreeDevices(rooms), DecayedUsage(HALF_LIFE_MS)
    began: dict[int, int] = {}
    over: dict[int, int] = {}
    running: dict[int, Running] = {}
    heads: dict[int, int] = {}
    for now_ms in range(21 + 16 * len(jobs)):
        happens = now_ms in {*over.values(), *(job.submitted_ms for job in jobs)}
        if not happens and rules.policy is not Policy.BACKFILL:
            continue  # and nothing is reserved for a time that is over now
        for i in [i for i in running if over[i] == now_ms]:
            use.change(requests[i].token_id, -jobs[i].devices, now_ms)
            for node, mask in running.pop(i).devices:
                free.give_back(node, mask)
        here = [r for r in requests if r.requested_ms <= now_ms and r.devices <= capacity]
        queue = tuple(r for r in here if r.id not in began)
        snapshot = Snapshot(0, True, rooms, queue, capacity, max(node.devices for node in nodes), {}, rules, now_ms)
        snapshot = replace(
            snapshot, running=tuple(running.values()), decayed_usage=use.decayed_usage(now_ms), heads=heads
        )
        decisions = plan(snapshot, free)
        heads = heads_after(
            snapshot, head_of(decisions), {one.request_id for one in decisions if isinstance(one, Placed)}
        )
        for placed in [one for one in decisions if isinstance(one, Placed)]:
            request = requests[placed.request_id]
            began[request.id], over[request.id] = now_ms, now_ms + jobs[request.id].run_ms
            use.change(request.token_id, request.devices, now_ms)
            limit = None if request.limit_ms is None else now_ms + request.limit_ms
            running[request.id] = Running(request.id, request.token_id, 0, placed.devices, now_ms, limit)
    return began


@given(worlds, drawn_jobs, rules)
def test_a_replay_starts_whom_the_plan_starts_under_every_policy(
    nodes: list[TraceNode], jobs: list[TraceJob], rules: Rules
) -> None:
    jobs = [replace(job, name=str(i)) for i, job in enumerate(sorted(jobs, key=lambda job: job.submitted_ms))]
    outcome = replay(nodes, jobs, rules=rules, half_life_ms=HALF_LIFE_MS)
    assert {int(run.job.name): run.start_ms for run in outcome.runs} == starts_by_the_plan(nodes, jobs, rules)
    assert all(job.devices > outcome.capacity for job in outcome.unplaceable)


holdings = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60), st.integers(1, 8)), min_size=1, max_size=6)


@given(holdings, st.integers(0, 100))
def test_what_a_user_used_lately_is_the_same_sum_as_that_of_rows(held: list[tuple[int, int, int]], later: int) -> None:
    """`held` are devices held from when, for how long, and how many."""
    use, half_life = DecayedUsage(HALF_LIFE_MS), timedelta(milliseconds=HALF_LIFE_MS)
    changes = [(at, devices) for at, _span, devices in held] + [(at + span, -devices) for at, span, devices in held]
    now_ms = max(at for at, _devices in changes) + later
    for at, devices in sorted(changes):
        use.change(7, devices, at)
    spans = [(from_ms(at), from_ms(at + span), devices) for at, span, devices in held]
    rows = sum(devices * weight(start, end, from_ms(now_ms), half_life) for start, end, devices in spans)
    assert use.decayed_usage(now_ms)[7] == pytest.approx(rows, abs=1e-6)


def cost(policy: Policy, number: int) -> float:
    """Return the least CPU time of two replays of so many jobs that all wait at once, s."""
    jobs = [TraceJob(str(i), f"u{i % 20}", 1 + i % 3, 0, 0, 1 + i % 7) for i in range(number)]
    took = []
    for _ in range(2):
        begun = process_time()
        assert len(replay([TraceNode("n", 8)], jobs, rules=Rules(policy)).runs) == number
        took.append(process_time() - begun)
    return min(took)


@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.FAIR])
def test_a_replay_does_not_grow_with_the_square_of_those_who_wait(policy: Policy) -> None:
    # Sixteen times as many jobs: 16 times as long when linear, 256 times when quadratic. Noise lies far below 80.
    assert cost(policy, 16_000) < 80 * cost(policy, 1_000)
