"""A job that could not start even if all jobs ended does not keep the guard of a backfilled queue from those behind."""

from dataclasses import replace
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.forecast import Basis, Expected, Start, forecast
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import head_of, heads_after, plan, starts
from scheduler.policy.snapshot import Node, Policy, QueuedRequest, Rules, Running, Snapshot, with_unavailable
from scheduler.policy.what_if import WhatIfChange, changed
from scheduler.policy.window import GROWTH, LENGTH_DIVISOR
from tests.scheduler.policy.life import Event, Life, node_states

NOW, GUARD = 1_000_000, 60_000
NODES = (Node(1, 0b1, 8), Node(2, 0b1, 8))
RUNNING = (
    Running(7, 9, -5, ((1, 0b1111110),), 0, NOW + 10),
    Running(8, 9, -5, ((2, 0b11111110),), 0, NOW + 20),
)
LARGE, NEXT, SMALL = QueuedRequest(1, 1, 1, 16, 0, 0), QueuedRequest(2, 2, 2, 9, 0, 1), QueuedRequest(3, 3, 3, 1, 0, 2)


def world(rules: Rules | None = None, *, waited: int = GUARD, combine: bool = True, lost: int = 1) -> Snapshot:
    """Two nodes with a free device each; device 7 of node 1 is lost for jobs, and job 1 is at the head."""
    rules = rules or Rules(Policy.BACKFILL, guard_ms=GUARD)
    made = Snapshot(0, combine, NODES, (LARGE, NEXT, SMALL), 16, 8, {}, rules, NOW, RUNNING, heads={1: NOW - waited})
    return with_unavailable(made, {1: lost})


def test_the_first_job_that_could_start_is_the_head() -> None:
    decisions = plan(world())
    assert decisions[0] == Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 16, 1, stuck=True)
    assert isinstance(decisions[1], Waits)
    assert (head_of(decisions), decisions[1].stuck) == (2, False)
    assert heads_after(world(), head_of(decisions), ()) == {1: NOW - GUARD, 2: NOW}
    found = starts(world(), FreeDevices(NODES))
    assert found.head == 2


HEADS: dict[str, tuple[Snapshot, int]] = {
    "not before the guard time is over": (world(waited=GUARD - 1), 1),
    "not when nothing is lost": (world(lost=0), 1),
    "not while that is not read": (with_unavailable(world(), None), 1),
    "never under `strict`, where it blocks": (world(Rules()), 1),
    "without a guard time at once": (world(Rules(Policy.BACKFILL), waited=0), 2),
    "a node that is away gives nothing": (with_unavailable(replace(world(lost=0), nodes=NODES[1:]), {}), 0),
    "on one node the largest counts": (
        replace(world(combine=False, lost=1), queue=(LARGE._replace(devices=8), NEXT._replace(devices=8))),
        1,
    ),
    "on one node, where all lack a device": (
        with_unavailable(
            replace(world(combine=False), queue=(LARGE._replace(devices=8), NEXT._replace(devices=7))), {1: 1, 2: 1}
        ),
        2,
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_it_is_passed_over(case: str) -> None:
    snapshot, head = HEADS[case]
    assert (head_of(plan(snapshot)) or 0) == head


def test_nobody_is_preempted_for_it_and_those_behind_it_may_preempt() -> None:
    snapshot = world(Rules(Policy.BACKFILL, guard_ms=GUARD, preempt=True))
    victims = {one.request_id: one.victims for one in plan(snapshot) if isinstance(one, Waits)}
    assert victims[1] == ()
    assert victims[2] == (8,)


def test_a_forecast_starts_those_behind_it() -> None:
    found = forecast(world(), Expected({}, {7: 10, 8: 20}, frozenset({7, 8})))
    assert 1 not in found.starts
    assert (found.starts[2].at_ms, found.starts[2].basis) == (NOW + 20, Basis.LIMITS)
    assert found.starts[3] == Start(NOW, ((1, 0b1),))


def test_a_change_counts_what_no_job_can_get_anew() -> None:
    assert changed(world(), WhatIfChange(drain=frozenset({2}))).attainable == 7
    assert changed(world(), WhatIfChange(leave=frozenset({1}))).attainable == 8
    assert changed(world(), WhatIfChange(add=(4,))).attainable == 19
    joined = changed(world(), WhatIfChange(join=(Node(5, 0, 8),), join_unavailable={5: 3}))
    assert joined.attainable == 20
    assert changed(with_unavailable(world(), None), WhatIfChange(add=(4,))).attainable is None


def test_it_is_the_head_again_when_its_devices_are_back() -> None:
    life = Life(node_states(8, 8), Rules(Policy.BACKFILL, guard_ms=10))
    life.reserve(1, 0b1)
    life.arrive(LARGE, 5)
    life.arrive(NEXT._replace(requested_ms=0), 50)
    life.arrive(QueuedRequest(4, 4, 4, 8, 0, 0), 15)
    heads: dict[int, int | None] = {}

    def note(event: Event) -> None:
        heads[event.at_ms] = head_of(event.decisions)

    for at_ms in range(120):
        life.at(at_ms, lambda: None)
    life.at(30, lambda: life.release(1))
    life.run(120, observed=note)
    assert heads[9] == 1
    assert life.began[1] >= life.began[2] + 50
    assert heads[40] == 1


@settings(max_examples=40)
@given(
    sizes=st.sampled_from([(8,), (4, 4), (4, 8)]),
    combine=st.booleans(),
    longest=st.integers(1, 6),
    guard=st.sampled_from([1, 2, 10, 100]),
    clean_ms=st.sampled_from([0, 2]),
    stuck=st.integers(1, 3),
    drained=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_a_job_behind_stuck_ones_starts_within_the_bound(
    *,
    sizes: tuple[int, ...],
    combine: bool,
    longest: int,
    guard: int,
    clean_ms: int,
    stuck: int,
    drained: bool,
    chance: Random,
) -> None:
    """Within G + max(G, 30 R) + R, though a device of each node is reserved or busy, a node perhaps drains, jobs that
    need these devices wait before it, and small jobs never cease."""
    r_ms = longest + clean_ms
    bound = guard + max(guard, GROWTH * LENGTH_DIVISOR * r_ms) + r_ms
    life = Life(node_states(*sizes), Rules(Policy.BACKFILL, guard_ms=guard), combine, clean_ms=clean_ms)
    for node in life.node_states:
        life.reserve(node, 1 << chance.randrange(sizes[node - 1]))
    usable = [size - 1 for size in sizes]
    if drained and len(sizes) > 1:
        life.at(29, lambda: life.drain(1))
        usable[0] = 0
    wanted = sum(usable) if combine else max(usable)
    most = sum(sizes) if combine else max(sizes)
    for number in range(stuck):
        life.arrive(QueuedRequest(-2 - number, 1, 1, chance.randint(wanted + 1, most), 9, 30), 5)
    life.arrive(QueuedRequest(-1, 3, 0, wanted, 5, 30), 5)
    ids = count(1)

    def fill() -> None:
        """Let there be small jobs, whenever one has started."""
        while len(life.queue) < 4 + stuck:
            request = QueuedRequest(next(ids), 2, 0, chance.choice([1, 1, 1, 2]), 0, life.now_ms)
            life.queue[request.id], life.lasts[request.id] = request, chance.randint(1, longest)

    for at_ms in range(1, 30 + bound + 1):
        life.at(at_ms, fill)
    life.run(30 + bound)
    assert -1 in life.began
    assert not any(-2 - number in life.began for number in range(stuck))


def test_without_the_rule_it_would_never_start() -> None:
    """What the bound is about: the same world, in which nobody reads what no job can get."""
    decisions = plan(with_unavailable(world(), None))
    assert [isinstance(one, Placed) for one in decisions] == [False, False, True]
    assert head_of(decisions) == 1
