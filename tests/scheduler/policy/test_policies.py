"""Backfill, fair, limits, drained groups and preemption: each by examples, then as laws on random worlds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.ordering import TURN_MS, in_order
from scheduler.policy.plan import plan
from scheduler.policy.reasons import BLOCKING, Placed, Reason, Waits
from scheduler.policy.snapshot import Limit, Limits, Node, Policy, Request, Rules, Running, Snapshot
from tests.scheduler.policy.worlds import live_snapshots, start_of_head

F = 0xFF
LATE = 1_000_000  # the clock of these worlds, in milliseconds


def job(id_: int, devices: int, priority: int = 0, *, at: int = 0, token: int = 1, limit: int | None = None) -> Request:
    return Request(id_, token, id_, devices, priority, at, limit)


def runs(id_: int, node: int, mask: int, *, priority: int = 0, since: int = 0, until: int | None = None) -> Running:
    return Running(id_, 9, priority, ((node, mask),), since, until)


def world(masks: dict[int, int], *queue: Request, combine: bool = True, **more: object) -> Snapshot:
    nodes = tuple(Node(id_, mask, 8) for id_, mask in masks.items())
    plain = Snapshot(0, combine, nodes, queue, 8 * len(nodes), 8, {}, now_ms=LATE)
    return replace(plain, **more)  # type: ignore[arg-type]


BACKFILL = Rules(Policy.BACKFILL, guard_ms=LATE + 1)
GUARDED = Rules(Policy.BACKFILL, guard_ms=0)
PREEMPTIVE = Rules(preempt=True, min_run_ms=100)
SHORT = Reason.NOT_ENOUGH_DEVICES
BEHIND = Reason.BLOCKED_BY_HEAD
CASES = {
    "a job behind passes when it fits": (
        world({1: 0b111}, job(1, 4), job(2, 2), rules=BACKFILL),
        [Waits(1, SHORT, 4, 3), Placed(2, ((1, 0b11),))],
    ),
    "nobody passes a head that has waited for its guard time": (
        world({1: 0b111}, job(1, 4), job(2, 2), rules=GUARDED),
        [Waits(1, SHORT, 4, 3), Waits(2, BEHIND, 2, 0, 1)],
    ),
    "whoever wants more than there is, is told so, guard or not": (
        world({1: 0b111}, job(1, 4), job(2, 5), rules=GUARDED),
        [Waits(1, SHORT, 4, 3), Waits(2, SHORT, 5, 0)],
    ),
    "combine off: only the node that lacks least is held": (
        world({1: 0b111, 2: 0b11}, job(1, 4), job(2, 2), job(3, 3), combine=False, rules=GUARDED),
        [Waits(1, Reason.NO_SINGLE_NODE, 4, 3), Placed(2, ((2, 0b11),)), Waits(3, BEHIND, 3, 0, 1)],
    ),
    "with time limits known, a short job passes on what is held": (
        world(
            {1: 0b111},
            job(1, 4),
            job(2, 2, limit=50),
            job(3, 1, limit=51),
            rules=BACKFILL,
            running=(runs(7, 1, 0b11000, until=LATE + 50),),
        ),
        [Waits(1, SHORT, 4, 3), Placed(2, ((1, 0b11),)), Placed(3, ((1, 0b100),))],
    ),
    "and a long one only beside what the head will need": (
        world(
            {1: 0b111},
            job(1, 4),
            job(2, 2, limit=51),
            job(3, 1),
            rules=BACKFILL,
            running=(runs(7, 1, 0b11000, until=LATE + 50),),
        ),
        [Waits(1, SHORT, 4, 3), Waits(2, BEHIND, 2, 1, 1), Placed(3, ((1, 0b100),))],
    ),
    "fair: the token that used less goes first within a priority": (
        world({1: 0b1}, job(1, 1, token=1), job(2, 1, token=2), rules=Rules(Policy.FAIR), spent={1: 5.0, 2: 4.0}),
        [Placed(2, ((1, 0b1),)), Waits(1, SHORT, 1, 0)],
    ),
    "fair: the higher priority still goes before it": (
        world({1: 0b1}, job(1, 1, 1, token=1), job(2, 1, token=2), rules=Rules(Policy.FAIR), spent={1: 5.0}),
        [Placed(1, ((1, 0b1),)), Waits(2, SHORT, 1, 0)],
    ),
    "fair: tokens that used alike take turns": (
        world({1: 0b111}, job(1, 1, token=1), job(2, 1, token=1), job(3, 1, at=9, token=2), rules=Rules(Policy.FAIR)),
        [Placed(1, ((1, 0b1),)), Placed(3, ((1, 0b10),)), Placed(2, ((1, 0b100),))],
    ),
    "fair: a turn costs a token as much as it takes devices": (
        world(
            {1: F},
            job(1, 3, token=1),
            job(2, 1, token=1),
            job(3, 1, at=9, token=2),
            job(4, 1, at=9, token=2),
            rules=Rules(Policy.FAIR),
        ),
        [Placed(1, ((1, 0b111),)), Placed(3, ((1, 0b1000),)), Placed(4, ((1, 0b10000),)), Placed(2, ((1, 0b100000),))],
    ),
    "a job over its token's limit waits and blocks nobody": (
        world({1: F}, job(1, 3), job(2, 2), job(3, 1, token=2), limits=Limits({1: Limit(2, 4)})),
        [Waits(1, Reason.OVER_TOKEN_LIMIT, 5, 4), Placed(2, ((1, 0b11),)), Placed(3, ((1, 0b100),))],
    ),
    "a job of a stopped token waits and blocks nobody": (
        world({1: F}, job(1, 9), job(2, 2), job(3, 1, token=2), limits=Limits(stopped=frozenset({1}))),
        [
            Waits(1, Reason.NEVER_FITS, 9, 8),
            Waits(2, Reason.TOKEN_STOPPED, 2, 0),
            Placed(3, ((1, 0b1),)),
        ],
    ),
    "a stopped token's job takes nobody's devices and gets none kept": (
        world(
            {1: 0b1},
            job(1, 3, 5),
            job(2, 1, token=2),
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b110, priority=4),),
            limits=Limits(stopped=frozenset({1})),
        ),
        [Waits(1, Reason.TOKEN_STOPPED, 3, 0), Placed(2, ((1, 0b1),))],
    ),
    "what this plan places counts": (
        world({1: F}, job(1, 1), job(2, 1), limits=Limits({1: Limit(0, 1)})),
        [Placed(1, ((1, 0b1),)), Waits(2, Reason.OVER_TOKEN_LIMIT, 2, 1)],
    ),
    "tokens of one group share its limit": (
        world(
            {1: F},
            job(1, 3, token=1),
            job(2, 2, token=2),
            job(3, 1, token=3),
            limits=Limits({}, {5: Limit(0, 4)}, {1: (5,), 2: (5,)}),
        ),
        [Placed(1, ((1, 0b111),)), Waits(2, Reason.OVER_GROUP_LIMIT, 5, 4), Placed(3, ((1, 0b1000),))],
    ),
    "a group that drains starts nothing": (
        world({1: F}, job(1, 1), job(2, 9), rules=Rules(draining=True)),
        [Waits(1, Reason.GROUP_DRAINING, 1, 0), Waits(2, Reason.GROUP_DRAINING, 9, 0)],
    ),
    "the lowest priority gives its devices back, of equals the latest": (
        world(
            {1: 0b1},
            job(1, 3, 5),
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b110, priority=4), runs(8, 1, 0b11000, since=9), runs(9, 1, 0b1100000, since=5)),
        ),
        [Waits(1, SHORT, 3, 1, victims=(8,))],
    ),
    "nobody is taken from whom it would not help": (
        world({1: 0b1}, job(1, 8, 5), rules=PREEMPTIVE, running=(runs(7, 1, 0b110),)),
        [Waits(1, SHORT, 8, 1)],
    ),
    "equals, the young and reservations keep theirs": (
        world(
            {1: 0},
            job(1, 1, 5),
            rules=PREEMPTIVE,
            running=(
                runs(7, 1, 0b1, priority=5),
                runs(8, 1, 0b10, since=LATE - 99),
                replace(runs(9, 1, 0b100), fixed=True),
            ),
        ),
        [Waits(1, SHORT, 1, 0)],
    ),
    "what is on its way back is not taken twice": (
        world(
            {},
            job(1, 2, 5),
            nodes=(Node(1, 0, 8, 0b1),),
            capacity=8,
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b10), replace(runs(8, 1, 0b100), leaving=True)),
        ),
        [Waits(1, SHORT, 2, 0)],
    ),
    "combine off: the node where the least is lost": (
        world(
            {1: 0b1, 2: 0b11},
            job(1, 4, 5),
            combine=False,
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b1110), runs(8, 2, 0b1100), runs(9, 2, 0b110000, priority=1)),
        ),
        [Waits(1, SHORT, 4, 3, victims=(8,))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_decisions(case: str) -> None:
    snapshot, wanted = CASES[case]
    assert plan(snapshot) == wanted


@given(live_snapshots())
def test_whatever_the_policy_devices_are_free_whole_and_given_once(snapshot: Snapshot) -> None:
    free = {node.id: node.free for node in snapshot.nodes}
    asked = {request.id: request for request in snapshot.queue}
    decisions = plan(snapshot)
    assert sorted(decision.request_id for decision in decisions) == sorted(asked)
    for decision in decisions:
        if isinstance(decision, Placed):
            devices = asked[decision.request_id].devices
            assert sum(mask.bit_count() for _node, mask in decision.devices) == devices
            assert snapshot.combine or len(decision.devices) == 1
            for node, mask in decision.devices:
                assert mask & ~free[node] == 0
                free[node] &= ~mask


@given(live_snapshots())
def test_no_limit_is_ever_broken(snapshot: Snapshot) -> None:
    asked = {request.id: request for request in snapshot.queue}
    taken = [asked[decision.request_id] for decision in plan(snapshot) if isinstance(decision, Placed)]
    limits = snapshot.limits
    for token, limit in limits.tokens.items():
        placed = sum(request.devices for request in taken if request.token_id == token)
        assert not placed or limit.held + placed <= limit.most
    for group, limit in limits.groups.items():
        mine = [request for request in taken if group in limits.groups_of.get(request.token_id, ())]
        assert not mine or limit.held + sum(request.devices for request in mine) <= limit.most


@given(live_snapshots())
def test_victims_are_lower_old_enough_and_enough(snapshot: Snapshot) -> None:
    asked = {request.id: request for request in snapshot.queue}
    running = {one.id: one for one in snapshot.running}
    for decision in plan(snapshot):
        if isinstance(decision, Placed) or not decision.victims:
            continue
        head, rules = asked[decision.request_id], snapshot.rules
        assert rules.preempt
        gained = {node.id: node.coming.bit_count() for node in snapshot.nodes}
        for victim in (running[id_] for id_ in decision.victims):
            assert victim.priority < head.priority
            assert not victim.fixed
            assert not victim.leaving
            assert victim.started_ms <= snapshot.now_ms - rules.min_run_ms
        for one in snapshot.running:
            for node, mask in one.devices if one.leaving or one.id in decision.victims else ():
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
        running=tuple(replace(one, ends_ms=snapshot.now_ms + 1 + one.id % 50) for one in snapshot.running),
    )
    _compare(known, {request.id: 1 + request.id % 40 for request in known.queue})


def _compare(snapshot: Snapshot, lasts_ms: dict[int, int]) -> None:
    """Let the world go on under backfill and under strict: the head of now must not start later."""
    snapshot = _without_higher(snapshot)
    ends = {one.id: one.ends_ms or snapshot.now_ms + 1 + one.id % 50 for one in snapshot.running}
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
        used = dict(snapshot.spent)
        line = [request for request in ordered if request.priority == priority]
        for place, request in enumerate(line):
            least = min(used.get(other.token_id, 0.0) for other in line[place:])
            assert used.get(request.token_id, 0.0) == least
            used[request.token_id] = least + request.devices * TURN_MS
