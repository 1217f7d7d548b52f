"""When jobs will start, and what a change would do: by examples, and held against what then happens."""

from dataclasses import replace

import pytest
from hypothesis import assume, given

from scheduler.policy.forecast import Basis, Expected, Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Placed, Reason, Waits
from scheduler.policy.snapshot import Limits, Node, Policy, Request, Rules, Running, Snapshot
from scheduler.policy.whatif import Change, Effect, what_if
from tests.scheduler.policy.worlds import all_starts, live_snapshots

F = 0xFF
NOW = 1_000


def job(id_: int, devices: int, priority: int = 0) -> Request:
    return Request(id_, 1, id_, devices, priority, id_)


def runs(id_: int, node: int, mask: int) -> Running:
    return Running(id_, 9, 0, ((node, mask),), 0)


def world(*queue: Request, running: tuple[Running, ...], free: int = 0, rules: Rules | None = None) -> Snapshot:
    nodes = (Node(1, free, 8), Node(2, 0, 8))
    return Snapshot(0, True, nodes, queue, 16, 8, {}, rules or Rules(), NOW, running)


BUSY = (runs(7, 1, F), runs(8, 2, F))
CASES = {
    "each in its turn, when the devices come back": (
        world(job(1, 8), job(2, 8), job(3, 4), running=BUSY),
        Expected({1: 50, 2: 50, 3: 50}, {7: 10, 8: 30}),
        {1: NOW + 10, 2: NOW + 30, 3: NOW + 60},
    ),
    "behind a job of which nobody knows how long it runs, nobody knows": (
        world(job(1, 8), job(2, 8), job(3, 8), running=BUSY),
        Expected({1: 50, 2: 50, 3: 50}, {7: 10}),
        {1: NOW + 10, 2: NOW + 60, 3: NOW + 110},
    ),
    "nor when a waiting one's length is not known": (
        world(job(1, 16), job(2, 1), running=BUSY),
        Expected({2: 50}, {7: 10, 8: 30}),
        {1: NOW + 30},
    ),
    "nothing is known": (world(job(1, 1), running=BUSY), Expected({}, {}), {}),
    "free now": (world(job(1, 1), running=BUSY[1:], free=F), Expected({}, {}), {1: NOW}),
    "backfill: the small one passes": (
        world(job(1, 16), job(2, 1), running=BUSY, rules=Rules(Policy.BACKFILL, guard_ms=10_000)),
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
    """Let the world go on as expected, and every job starts then and there.

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
        Change(drain=frozenset({1})),
        [(1, Effect.LATER, NOW + 30), (2, Effect.LATER, NOW + 80)],
    ),
    "a node that leaves the group": (
        Change(leave=frozenset({2})),
        [(1, Effect.SAME, NOW + 10), (2, Effect.LATER, NOW + 60)],
    ),
    "a new node": (Change(add=(8,)), [(1, Effect.SOONER, NOW), (2, Effect.SOONER, NOW + 10)]),
    "a raised priority": (Change(priorities={2: 1}), [(2, Effect.SOONER, NOW + 10), (1, Effect.LATER, NOW + 30)]),
    "a canceled running job": (
        Change(cancel=frozenset({8})),
        [(1, Effect.SOONER, NOW), (2, Effect.SOONER, NOW + 10)],
    ),
    "a canceled waiting job": (Change(cancel=frozenset({1})), [(2, Effect.SOONER, NOW + 10)]),
    "both nodes": (Change(drain=frozenset({1, 2})), [(1, Effect.STALLS, None), (2, Effect.STALLS, None)]),
    "one more job": (
        Change(submit=(Request(-1, 1, 1, 8, 9, NOW),)),
        [(-1, Effect.STARTS, NOW + 10), (1, Effect.LATER, NOW + 30), (2, Effect.LATER, NOW + 80)],
    ),
    "nothing": (Change(), [(1, Effect.SAME, NOW + 10), (2, Effect.SAME, NOW + 30)]),
}


@pytest.mark.parametrize("case", WHAT_IFS)
def test_what_if(case: str) -> None:
    change, wanted = WHAT_IFS[case]
    answer = what_if(world(job(1, 8), job(2, 8), running=BUSY), SIX, change)
    told = [(o.request.id, o.effect, o.after.at_ms if o.after else None) for o in answer.outcomes]
    assert told == wanted


def test_it_names_what_a_drain_waits_for_and_what_can_never_start() -> None:
    answer = what_if(world(job(1, 9), running=BUSY), SIX, Change(leave=frozenset({1})))
    assert answer.stay == (7,)
    assert answer.outcomes[0].waits == Waits(1, Reason.NEVER_FITS, 9, 8)


@given(live_snapshots())
def test_what_starts_at_once_is_what_the_plan_then_starts(snapshot: Snapshot) -> None:
    settled = replace(snapshot, nodes=tuple(node._replace(coming=0) for node in snapshot.nodes))
    change = Change(drain=frozenset(node.id for node in settled.nodes[:1]), add=(4,))
    answer = what_if(settled, Expected({}, {}), change)
    starts = {o.request.id: o.after.devices for o in answer.outcomes if o.after and o.after.at_ms == settled.now_ms}
    assert starts == {d.request_id: d.devices for d in plan(answer.world) if isinstance(d, Placed)}
    assert all(isinstance(o.after, Start) for o in answer.outcomes if o.waits is None)


def test_a_look_that_ends_early_says_how_far_it_went_and_nothing_beyond_is_compared() -> None:
    snapshot = world(job(1, 8), job(2, 8), job(3, 8), running=BUSY)
    seen = forecast(snapshot, SIX, enough=lambda: True)
    assert (dict(seen.starts), seen.until_ms) == ({}, NOW + 10)
    looks = iter([False, True, False, True])
    answer = what_if(snapshot, SIX, Change(drain=frozenset({1})), enough=lambda: next(looks))
    assert answer.until_ms == NOW + 30
    assert [(o.request.id, o.effect) for o in answer.outcomes] == [
        (1, Effect.LATER),  # not before the end of the look, instead of at once when job 7 ends
        (2, Effect.SAME),
        (3, Effect.SAME),
    ]


def test_what_only_one_of_the_two_looks_has_seen_is_not_compared() -> None:
    looks = iter([True, False, False, True])
    answer = what_if(world(job(1, 8), running=BUSY), SIX, Change(drain=frozenset({1})), enough=lambda: next(looks))
    assert answer.until_ms == NOW + 10
    assert [(o.effect, o.after) for o in answer.outcomes] == [(Effect.SAME, None)]


def test_what_an_estimate_rests_on() -> None:
    snapshot = world(job(1, 8), job(2, 8), job(3, 4), running=BUSY, free=0)
    expected = replace(SIX, limited=frozenset({7}))
    basis = {id_: start.basis for id_, start in forecast(snapshot, expected).starts.items()}
    assert basis == {1: Basis.LIMITS, 2: Basis.HISTORY, 3: Basis.HISTORY}
    free = world(job(1, 1), running=BUSY[1:], free=F)
    assert forecast(free, SIX).starts[1].basis is Basis.FREE


def test_nodes_that_come_from_another_group_bring_what_is_free_and_give_back_the_rest_later() -> None:
    snapshot = world(job(1, 8), job(2, 4), running=BUSY)
    node, there = Node(5, 0xF0, 8), Running(9, 9, 0, ((5, 0x0F),), 0)
    answer = what_if(snapshot, Expected({1: 50, 2: 50}, {7: 10, 8: 30, 9: 5}), Change(join=(node,), joining=(there,)))
    assert [(o.request.id, o.effect, o.after and o.after.at_ms) for o in answer.outcomes] == [
        (1, Effect.SOONER, NOW + 5),
        (2, Effect.SOONER, NOW + 10),
    ]


def test_what_can_never_start_with_the_change_breaks() -> None:
    answer = what_if(world(job(1, 16), job(2, 8), running=BUSY), SIX, Change(leave=frozenset({2})))
    assert [o.effect for o in answer.outcomes] == [Effect.BREAKS, Effect.SOONER]
