"""Plans, forecasts and what-if around maintenance windows."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.forecast import Basis, Expected, Start, forecast
from scheduler.policy.maintenance import ENDLESS_MS, Windows, with_maintenance
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Maintenance, Node, Policy, QueuedRequest, Rules, Running, Snapshot
from scheduler.policy.what_if import Effect, WhatIfChange, what_if
from tests.scheduler.policy.snapshots import live_snapshots

NOW = 1000
BACKFILL = Rules(Policy.BACKFILL, guard_ms=10_000)


def job(id_: int, devices: int, limit_ms: int | None = None) -> QueuedRequest:
    return QueuedRequest(id_, 1, id_, devices, 0, id_, limit_ms)


def world(
    *queue: QueuedRequest,
    free: tuple[int, ...] = (0b1111, 0b1111),
    windows: Windows | None = None,
    **rest: Any,
) -> Snapshot:
    """Nodes 1, 2, … of four devices."""
    nodes = [Node(id_, mask, 4) for id_, mask in enumerate(free, 1)]
    given: dict[str, Any] = {"combine": True, "sda_slots": {}, "now_ms": NOW, "maintenance": windows or {}, **rest}
    return Snapshot(
        0, nodes=with_maintenance(nodes, windows or {}), queue=queue, capacity=4 * len(free), largest_node=4, **given
    )


SOON = {2: (Maintenance(NOW + 100, NOW + 200),)}
BEGUN = {2: (Maintenance(NOW, NOW + 200),)}


@pytest.mark.parametrize(
    ("windows", "limit_ms", "nodes"),
    [
        pytest.param(SOON, 100, {1: 4, 2: 2}, id="one that is over when it begins may use the node"),
        pytest.param(SOON, None, {1: 4, 2: 2}, id="so may one without a limit"),
        pytest.param(SOON, 101, None, id="one that would overlap it may not"),
        pytest.param(BEGUN, None, None, id="while it lasts nobody may"),
        pytest.param(BEGUN, 1, None, id="while it lasts a short one may not either"),
        pytest.param({2: (Maintenance(NOW + 1, NOW + 2),)}, None, {1: 4, 2: 2}, id="until it begins one may"),
        pytest.param({2: (Maintenance(NOW + 1, NOW + 2),)}, ENDLESS_MS, None, id="what never ends may not"),
    ],
)
def test_which_nodes_a_job_may_use(windows: Windows, limit_ms: int | None, nodes: dict[int, int] | None) -> None:
    (decision,) = plan(world(job(1, 6, limit_ms), windows=windows))
    if nodes:
        assert isinstance(decision, Placed)
        assert {node: mask.bit_count() for node, mask in decision.devices} == nodes
    else:
        assert decision == Waits(1, PendingReason.MAINTENANCE, 6, 4, stuck=True)


def test_nodes_without_maintenance_go_first_then_those_with_the_latest() -> None:
    windows = {1: (Maintenance(NOW + 100, NOW + 200),), 2: (Maintenance(NOW + 300, NOW + 400),)}
    decisions = plan(world(job(1, 4), job(2, 4), job(3, 4), free=(15, 15, 15), windows=windows))
    assert [one.devices for one in decisions if isinstance(one, Placed)] == [((3, 15),), ((2, 15),), ((1, 15),)]


def test_whom_only_maintenance_stops_blocks_nobody_and_whoever_waits_for_devices_does() -> None:
    stopped, head = job(1, 8, 500), job(2, 4, 500)
    running = (Running(9, 1, 0, ((1, 0b1111),), 0, NOW + 50),)
    decisions = plan(world(stopped, head, job(3, 4, 500), job(4, 4, 50), free=(0, 15), windows=SOON, running=running))
    assert decisions == [
        Waits(1, PendingReason.MAINTENANCE, 8, 0, stuck=True),
        Waits(2, PendingReason.MAINTENANCE, 4, 0),
        Waits(3, PendingReason.BLOCKED_BY_HEAD, 4, 4, blocker=2),
        Waits(4, PendingReason.BLOCKED_BY_HEAD, 4, 4, blocker=2),
    ]


def test_under_backfill_short_jobs_pass_on_the_node_and_the_head_keeps_its_own() -> None:
    running = (Running(9, 1, 0, ((1, 0b0111),), 0, NOW + 50),)
    queue = (job(1, 4, 500), job(2, 1, 500), job(3, 4, 100))
    decisions = plan(world(*queue, free=(0b1000, 15), windows=SOON, running=running, rules=BACKFILL))
    assert isinstance(decisions[0], Waits)
    assert isinstance(decisions[1], Waits)  # it would hold what the head gets at NOW + 50
    assert decisions[2] == Placed(3, ((2, 15),))


def test_without_combination_the_numbers_are_those_of_the_best_node_outside() -> None:
    (decision,) = plan(world(job(1, 4, 500), free=(0b11, 15), windows=SOON, combine=False))
    assert decision == Waits(1, PendingReason.MAINTENANCE, 4, 2)


@given(live_snapshots(), st.dictionaries(st.integers(0, 99), st.tuples(st.integers(0, 120), st.integers(1, 50))))
def test_whatever_the_policy_nobody_with_a_limit_overlaps_a_window(
    snapshot: Snapshot, drawn: dict[int, tuple[int, int]]
) -> None:
    ids = [node.id for node in snapshot.nodes]
    windows = {
        ids[key % len(ids)]: (Maintenance(970 + at, 970 + at + lasts),) for key, (at, lasts) in drawn.items() if ids
    }
    timed = replace(snapshot, nodes=with_maintenance(snapshot.nodes, windows), maintenance=windows)
    requests = {request.id: request for request in timed.queue}
    until = {node.id: node.until_ms for node in timed.nodes}
    free = {node.id: node.free for node in timed.nodes}
    decisions = plan(timed)
    assert sorted(requests) == sorted(one.request_id for one in decisions)
    for one in decisions:
        if isinstance(one, Placed):
            request = requests[one.request_id]
            assert sum(mask.bit_count() for _node, mask in one.devices) == request.devices
            for node, mask in one.devices:
                begins = until[node]
                assert begins is None or begins > timed.now_ms
                assert begins is None or request.limit_ms is None or timed.now_ms + request.limit_ms <= begins
                assert mask & ~free[node] == 0
                free[node] &= ~mask
    if not windows:
        assert decisions == plan(snapshot)


def test_a_forecast_starts_it_when_maintenance_ends() -> None:
    windows = {2: (Maintenance(NOW - 50, NOW + 200, 0b0111), Maintenance(NOW + 900, NOW + 999))}
    draining = Running(9, 1, 0, ((2, 0b0010),), 0, NOW + 500, lost=((2, 0b0010),))
    snapshot = world(job(1, 2), job(2, 8, 300), free=(15, 0b1000), windows=windows, running=(draining,))
    found = forecast(snapshot, Expected({1: 10, 2: 300}, {9: 500}, frozenset({1, 2, 9})))
    assert found.starts[1] == Start(NOW, ((1, 0b0011),))
    assert found.starts[2] == Start(NOW + 500, ((1, 0b1111), (2, 0b1111)), Basis.MAINTENANCE)


def test_what_if_shows_whom_planned_maintenance_delays_and_whom_its_drain_waits_for() -> None:
    running = (Running(8, 1, 0, ((1, 1),), 0, NOW + 20), Running(9, 1, 0, ((1, 2),), 0, NOW + 200))
    snapshot = world(job(1, 8, 400), job(2, 2, 10), free=(0b1100, 0b1111), running=running)
    expected = Expected({1: 400, 2: 10}, {8: 20, 9: 200}, frozenset({1, 2, 8, 9}))
    found = what_if(snapshot, expected, WhatIfChange(maintain={1: Maintenance(NOW + 100, NOW + 700)}))
    assert found.stay == (9,)
    assert [(one.request.id, one.effect) for one in found.start_changes] == [(1, Effect.LATER), (2, Effect.SOONER)]
    first = found.start_changes[0]
    assert (first.before and first.before.at_ms, first.after and first.after.at_ms) == (NOW + 200, NOW + 700)
    assert first.waits == Waits(1, PendingReason.MAINTENANCE, 8, 2, stuck=True)
