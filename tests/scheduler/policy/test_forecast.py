"""When jobs will start, and what a change would do: by examples, and held against what then happens."""

from dataclasses import replace

import pytest
from hypothesis import assume, given

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.forecast import Basis, Expected, Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Limits, Node, Policy, QueuedRequest, Rules, Running, Snapshot
from scheduler.policy.what_if import Effect, WhatIfChange, changed, what_if
from tests.scheduler.policy.snapshots import all_starts, live_snapshots

F = 0xFF
NOW = 1_000


def job(id_: int, devices: int, priority: int = 0) -> QueuedRequest:
    return QueuedRequest(id_, 1, id_, devices, priority, id_)


def runs(id_: int, node: int, mask: int) -> Running:
    return Running(id_, 9, 0, ((node, mask),), 0)


def state(*queue: QueuedRequest, running: tuple[Running, ...], free: int = 0, rules: Rules | None = None) -> Snapshot:
    nodes = (Node(1, free, 8), Node(2, 0, 8))
    return Snapshot(0, True, nodes, queue, 16, 8, {}, rules or Rules(), NOW, running)


BUSY = (runs(7, 1, F), runs(8, 2, F))
CASES = {
    "each in its turn, when the devices come back": (
        state(job(1, 8), job(2, 8), job(3, 4), running=BUSY),
        Expected({1: 50, 2: 50, 3: 50}, {7: 10, 8: 30}),
        {1: NOW + 10, 2: NOW + 30, 3: NOW + 60},
    ),
    "behind a job of which nobody knows how long it runs, nobody knows": (
        state(job(1, 8), job(2, 8), job(3, 8), running=BUSY),
        Expected({1: 50, 2: 50, 3: 50}, {7: 10}),
        {1: NOW + 10, 2: NOW + 60, 3: NOW + 110},
    ),
    "nor when a waiting one's length is not known": (
        state(job(1, 16), job(2, 1), running=BUSY),
        Expected({2: 50}, {7: 10, 8: 30}),
        {1: NOW + 30},
    ),
    "nothing is known": (state(job(1, 1), running=BUSY), Expected({}, {}), {}),
    "free now": (state(job(1, 1), running=BUSY[1:], free=F), Expected({}, {}), {1: NOW}),
    "backfill: the small one passes": (
        state(job(1, 16), job(2, 1), running=BUSY, rules=Rules(Policy.BACKFILL, guard_ms=10_000)),
        Expected({1: 50, 2: 5}, {7: 10, 8: 30}),
        {2: NOW + 10, 1: NOW + 30},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_starts(case: str) -> None:
    snapshot, expected, wanted = CASES[case]
    assert {id_: start.at_ms for id_, start in forecast(snapshot, expected).starts.items()} == wanted


@given(live_snapshots())
def test_it_comes_true(snapshot: Snapshot) -> None:
    """Let the group go on as expected: every job starts then and there.

    Under `fair` the order of the moment is kept for the whole look: what tokens will have used is not foreseen.
    """
    assume(snapshot.rules.policy is not Policy.FAIR)
    plain = replace(
        snapshot,
        nodes=tuple(node._replace(coming=0) for node in snapshot.nodes),
        rules=replace(snapshot.rules, preempt=False),
        limits=Limits(),
        sda_slots={},
        running=tuple(replace(one, ends_ms=None) for one in snapshot.running),
        queue=tuple(request._replace(limit_ms=None) for request in snapshot.queue),
    )
    lasts = {request.id: 1 + request.id % 40 for request in plain.queue}
    remaining = {one.id: 1 + one.id % 50 for one in plain.running}
    found = forecast(plain, Expected(lasts, remaining)).starts
    ends = {id_: plain.now_ms + ms for id_, ms in remaining.items()}
    assert {id_: start.at_ms for id_, start in found.items()} == all_starts(plain, lasts, ends)


SIX = Expected({1: 50, 2: 50, 3: 50}, {7: 10, 8: 30})
WHAT_IFS = {
    "a drained node gives nothing back": (
        WhatIfChange(drain=frozenset({1})),
        [(1, Effect.LATER, NOW + 30), (2, Effect.LATER, NOW + 80)],
    ),
    "a node that leaves the group": (
        WhatIfChange(leave=frozenset({2})),
        [(1, Effect.SAME, NOW + 10), (2, Effect.LATER, NOW + 60)],
    ),
    "a new node": (WhatIfChange(add=(8,)), [(1, Effect.SOONER, NOW), (2, Effect.SOONER, NOW + 10)]),
    "a raised priority": (WhatIfChange(priorities={2: 1}), [(2, Effect.SOONER, NOW + 10), (1, Effect.LATER, NOW + 30)]),
    "a canceled running job": (
        WhatIfChange(cancel=frozenset({8})),
        [(1, Effect.SOONER, NOW), (2, Effect.SOONER, NOW + 10)],
    ),
    "a canceled waiting job": (WhatIfChange(cancel=frozenset({1})), [(2, Effect.SOONER, NOW + 10)]),
    "both nodes: no device is left": (
        WhatIfChange(drain=frozenset({1, 2})),
        [(1, Effect.BREAKS, None), (2, Effect.BREAKS, None)],
    ),
    "one more job": (
        WhatIfChange(submit=(QueuedRequest(-1, 1, 1, 8, 9, NOW),)),
        [(-1, Effect.STARTS, NOW + 10), (1, Effect.LATER, NOW + 30), (2, Effect.LATER, NOW + 80)],
    ),
    "nothing": (WhatIfChange(), [(1, Effect.SAME, NOW + 10), (2, Effect.SAME, NOW + 30)]),
}


@pytest.mark.parametrize("case", WHAT_IFS)
def test_what_if(case: str) -> None:
    change, wanted = WHAT_IFS[case]
    answer = what_if(state(job(1, 8), job(2, 8), running=BUSY), SIX, change)
    effects = [(o.request.id, o.effect, o.after.at_ms if o.after else None) for o in answer.start_changes]
    assert effects == wanted


def test_it_names_what_a_drain_waits_for_and_what_can_never_start() -> None:
    answer = what_if(state(job(1, 9), running=BUSY), SIX, WhatIfChange(leave=frozenset({1})))
    assert answer.stay == (7,)
    assert answer.start_changes[0].waits == Waits(1, PendingReason.NEVER_FITS, 9, 8)


@given(live_snapshots())
def test_what_starts_at_once_is_what_the_plan_then_starts(snapshot: Snapshot) -> None:
    settled = replace(snapshot, nodes=tuple(node._replace(coming=0) for node in snapshot.nodes))
    change = WhatIfChange(drain=frozenset(node.id for node in settled.nodes[:1]), add=(4,))
    answer = what_if(settled, Expected({}, {}), change)
    starts = {
        o.request.id: o.after.devices for o in answer.start_changes if o.after and o.after.at_ms == settled.now_ms
    }
    assert starts == {d.request_id: d.devices for d in plan(answer.changed) if isinstance(d, Placed)}
    assert all(isinstance(o.after, Start) for o in answer.start_changes if o.waits is None)


@given(live_snapshots())
def test_the_plan_of_a_drain_is_the_plan_after_the_drain(snapshot: Snapshot) -> None:
    """Whoever would be held back then is held back in the answer, and what drains is promised to nobody."""
    gone = frozenset(node.id for node in snapshot.nodes[:2])
    nodes = tuple(node._replace(free=0, coming=0) if node.id in gone else node for node in snapshot.nodes)
    running = tuple(
        replace(one, lost=tuple(place for place in one.devices if place[0] in gone)) for one in snapshot.running
    )
    drained = replace(snapshot, nodes=nodes, running=running)
    assert plan(changed(snapshot, WhatIfChange(drain=gone))) == plan(drained)


def test_who_waits_for_a_node_that_would_drain_can_never_start_and_still_holds_back_those_behind() -> None:
    snapshot = replace(state(job(1, 12), job(2, 4), running=BUSY[1:], free=F), combine=True)
    answer = what_if(snapshot, SIX, WhatIfChange(drain=frozenset({2})))
    assert [(o.effect, o.waits) for o in answer.start_changes] == [
        (Effect.BREAKS, Waits(1, PendingReason.NEVER_FITS, 12, 8)),
        (Effect.STALLS, Waits(2, PendingReason.BLOCKED_BY_HEAD, 4, 8, blocker=1)),
    ]
    assert (answer.capacity, answer.left) == (16, 8)


def test_a_drain_of_all_nodes_that_are_still_in_service_leaves_nothing() -> None:
    answer = what_if(state(job(1, 4), running=BUSY[:1]), SIX, WhatIfChange(drain=frozenset({1})), out={2: 8})
    assert (answer.capacity, answer.left) == (8, 0)
    assert [(o.effect, o.waits) for o in answer.start_changes] == [
        (Effect.BREAKS, Waits(1, PendingReason.NEVER_FITS, 4, 0))
    ]


def test_a_node_that_comes_from_another_group_counts_though_it_is_not_there_now() -> None:
    answer = what_if(state(job(1, 20), running=BUSY), SIX, WhatIfChange(join_away={5: 8}))
    assert (answer.left, answer.changed.capacity, answer.changed.away) == (24, 24, {5: 8})
    assert answer.start_changes[0].waits == Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 20, 0)


def test_a_forecast_that_is_cut_off_has_its_end_and_nothing_beyond_is_compared() -> None:
    snapshot = state(job(1, 8), job(2, 8), job(3, 8), running=BUSY)
    cut_off = forecast(snapshot, SIX, enough=lambda: True)
    assert (dict(cut_off.starts), cut_off.until_ms) == ({}, NOW + 10)
    forecasts = iter([False, True, False, True])
    answer = what_if(snapshot, SIX, WhatIfChange(drain=frozenset({1})), enough=lambda: next(forecasts))
    assert answer.until_ms == NOW + 30
    assert [(o.request.id, o.effect) for o in answer.start_changes] == [
        (1, Effect.LATER),  # not before the end of the look, instead of at once when job 7 ends
        (2, Effect.SAME),
        (3, Effect.SAME),
    ]


def test_what_only_one_of_the_two_forecasts_has_is_not_compared() -> None:
    forecasts = iter([True, False, False, True])
    answer = what_if(
        state(job(1, 8), running=BUSY), SIX, WhatIfChange(drain=frozenset({1})), enough=lambda: next(forecasts)
    )
    assert answer.until_ms == NOW + 10
    assert [(o.effect, o.after) for o in answer.start_changes] == [(Effect.SAME, None)]


def test_what_an_estimate_rests_on() -> None:
    snapshot = state(job(1, 8), job(2, 8), job(3, 4), running=BUSY, free=0)
    expected = replace(SIX, limited=frozenset({7}))
    basis = {id_: start.basis for id_, start in forecast(snapshot, expected).starts.items()}
    assert basis == {1: Basis.LIMITS, 2: Basis.HISTORY, 3: Basis.HISTORY}
    free = state(job(1, 1), running=BUSY[1:], free=F)
    assert forecast(free, SIX).starts[1].basis is Basis.FREE


def test_nodes_that_come_from_another_group_bring_what_is_free_and_give_back_the_rest_later() -> None:
    snapshot = state(job(1, 8), job(2, 4), running=BUSY)
    node, there = Node(5, 0xF0, 8), Running(9, 9, 0, ((5, 0x0F),), 0)
    answer = what_if(
        snapshot, Expected({1: 50, 2: 50}, {7: 10, 8: 30, 9: 5}), WhatIfChange(join=(node,), joining=(there,))
    )
    assert [(o.request.id, o.effect, o.after and o.after.at_ms) for o in answer.start_changes] == [
        (1, Effect.SOONER, NOW + 5),
        (2, Effect.SOONER, NOW + 10),
    ]


def test_what_can_never_start_with_the_change_breaks() -> None:
    answer = what_if(state(job(1, 16), job(2, 8), running=BUSY), SIX, WhatIfChange(leave=frozenset({2})))
    assert [o.effect for o in answer.start_changes] == [Effect.BREAKS, Effect.SOONER]
