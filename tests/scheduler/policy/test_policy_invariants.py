"""Invariants of backfill, fair order, limits and preemption on random snapshots."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.decisions import BLOCKING, Placed, Waits
from scheduler.policy.ordering import START_COST_MS, in_order
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Policy, Rules, Snapshot
from tests.scheduler.policy.snapshots import live_snapshots, start_of_head
from tests.scheduler.policy.test_policies import BACKFILL, GUARDED


@given(live_snapshots())
def test_whatever_the_policy_devices_are_free_whole_and_given_once(snapshot: Snapshot) -> None:
    free = {node.id: node.free for node in snapshot.nodes}
    requested = {request.id: request for request in snapshot.queue}
    decisions = plan(snapshot)
    assert sorted(decision.request_id for decision in decisions) == sorted(requested)
    for decision in decisions:
        if isinstance(decision, Placed):
            devices = requested[decision.request_id].devices
            assert sum(mask.bit_count() for _node, mask in decision.devices) == devices
            assert snapshot.combine or len(decision.devices) == 1
            for node, mask in decision.devices:
                assert mask & ~free[node] == 0
                free[node] &= ~mask


@given(live_snapshots())
def test_no_limit_is_ever_broken(snapshot: Snapshot) -> None:
    requested = {request.id: request for request in snapshot.queue}
    taken = [requested[decision.request_id] for decision in plan(snapshot) if isinstance(decision, Placed)]
    limits = snapshot.limits
    for token, limit in limits.tokens.items():
        placed = sum(request.devices for request in taken if request.token_id == token)
        assert not placed or limit.held + placed <= limit.most
    for group, limit in limits.groups.items():
        mine = [request for request in taken if group in limits.groups_of.get(request.token_id, ())]
        assert not mine or limit.held + sum(request.devices for request in mine) <= limit.most


@given(live_snapshots())
def test_victims_are_lower_old_enough_and_enough(snapshot: Snapshot) -> None:
    requested = {request.id: request for request in snapshot.queue}
    running = {one.id: one for one in snapshot.running}
    for decision in plan(snapshot):
        if isinstance(decision, Placed) or not decision.victims:
            continue
        head, rules = requested[decision.request_id], snapshot.rules
        assert rules.preempt
        gained = {node.id: node.coming.bit_count() for node in snapshot.nodes}
        for victim in (running[id_] for id_ in decision.victims):
            assert victim.priority < head.priority
            assert not victim.fixed
            assert not victim.preempted
            assert victim.started_ms <= snapshot.now_ms - rules.min_run_ms
        for one in snapshot.running:
            for node, mask in one.devices if one.preempted or one.id in decision.victims else ():
                gained[node] += mask.bit_count()
        still_free = _left(snapshot)
        best = [gained[node] + still_free[node].bit_count() for node in gained]
        assert (sum(best) if snapshot.combine else max(best)) >= head.devices


def _left(snapshot: Snapshot) -> dict[int, int]:
    """What is free when all of the plan has started: never more than when the head was looked at."""
    free = {node.id: node.free for node in snapshot.nodes}
    for decision in plan(snapshot):
        if isinstance(decision, Waits) and decision.victims:
            break
        for node, mask in decision.devices if isinstance(decision, Placed) else ():
            free[node] &= ~mask
    return free


@given(live_snapshots(rules=st.just(GUARDED)), st.randoms(use_true_random=False))
def test_a_guarded_head_starts_no_later_than_if_nobody_could_pass(snapshot: Snapshot, random: object) -> None:
    unlimited = replace(
        snapshot,
        queue=tuple(request._replace(limit_ms=None) for request in snapshot.queue),
        running=tuple(replace(one, ends_ms=None) for one in snapshot.running),
    )
    _compare(unlimited, {request.id: 1 + request.id % 40 for request in unlimited.queue})


@given(live_snapshots(rules=st.just(BACKFILL)))
def test_with_time_limits_nobody_who_passes_delays_the_head(snapshot: Snapshot) -> None:
    known = replace(
        snapshot,
        queue=tuple(request._replace(limit_ms=1 + request.id % 40) for request in snapshot.queue),
        running=tuple(
            one if one.fixed else replace(one, ends_ms=snapshot.now_ms + 1 + one.id % 50) for one in snapshot.running
        ),
    )
    _compare(known, {request.id: 1 + request.id % 40 for request in known.queue})


def _compare(snapshot: Snapshot, lasts_ms: dict[int, int]) -> None:
    """Let the group go on under backfill and under strict: the head of now must not start later.

    Nothing is being cleaned and nobody has been told to leave, for these worlds do neither; reserved SDAs stay.
    """
    nodes = tuple(node._replace(coming=0) for node in snapshot.nodes)
    running = tuple(replace(one, preempted=False) for one in snapshot.running)
    snapshot = _without_higher(replace(snapshot, nodes=nodes, running=running))
    ends = {one.id: one.ends_ms or snapshot.now_ms + 1 + one.id % 50 for one in running if not one.fixed}
    with_passing = start_of_head(snapshot, lasts_ms, ends)
    strictly = start_of_head(replace(snapshot, rules=Rules()), lasts_ms, ends)
    assert with_passing <= strictly


def _without_higher(snapshot: Snapshot) -> Snapshot:
    """Leave out who stands before the head and waits for something of its own: once it has that, it goes first."""
    decisions = plan(snapshot)
    blocks = (place for place, one in enumerate(decisions) if isinstance(one, Waits) and one.reason in BLOCKING)
    before = decisions[: next(blocks, 0)]
    apart = {one.request_id for one in before if isinstance(one, Waits)}
    return replace(snapshot, queue=tuple(one for one in snapshot.queue if one.id not in apart))


@given(live_snapshots(rules=st.just(Rules(Policy.FAIR))))
def test_fair_keeps_priorities_and_each_tokens_own_order(snapshot: Snapshot) -> None:
    ordered = in_order(snapshot)
    assert [request.priority for request in ordered] == sorted((r.priority for r in ordered), reverse=True)
    for token in {request.token_id for request in ordered}:
        mine = [request for request in ordered if request.token_id == token]
        assert mine == sorted(mine, key=lambda r: (-r.priority, r.requested_ms, r.id))
    for priority in {request.priority for request in ordered}:
        used = dict(snapshot.decayed_usage)
        line = [request for request in ordered if request.priority == priority]
        for place, request in enumerate(line):
            least = min(used.get(other.token_id, 0.0) for other in line[place:])
            assert used.get(request.token_id, 0.0) == least
            used[request.token_id] = least + request.devices * START_COST_MS
