"""What is held for a head that does not fit: exactly what it will need, or all it could use, and not too early."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.policy.guard import Hold, hold_for
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import plan, starts
from scheduler.policy.reasons import Placed, Reason, Waits
from scheduler.policy.snapshot import Limit, Limits, Node, Policy, Request, Rules, Running, Snapshot

NOW = 1_000_000  # the clock of these worlds, in milliseconds
GUARD = 60_000
RULES = Rules(Policy.BACKFILL, guard_ms=GUARD)
PREEMPTIVE = Rules(Policy.BACKFILL, guard_ms=GUARD, preempt=True)
YOUNG = NOW - GUARD + 1


def head(devices: int, at: int = YOUNG) -> Request:
    return Request(1, 1, 1, devices, 0, at)


def runs(id_: int, until: int | None, *devices: tuple[int, int], leaving: bool = False) -> Running:
    return Running(id_, 9, 0, devices, 0, until, leaving)


def world(*nodes: Node, combine: bool = True, rules: Rules = RULES, **more: Any) -> Snapshot:
    return Snapshot(0, combine, nodes, (), 99, 8, {}, rules=rules, now_ms=NOW, **more)


ONE = Node(1, 0b111, 8)
HOLDS: dict[str, tuple[Snapshot, Request, Hold]] = {
    "a head that has not waited for long": (world(ONE), head(4), Hold()),
    "a head that has waited for its guard time at this moment": (world(ONE), head(4, NOW - GUARD), Hold(None, {1: 7})),
    "combine off: the node that lacks least, of equals the one on which most is cleaned": (
        world(Node(1, 0b11, 8), Node(2, 0b11, 8, 0b100), Node(3, 0b1, 8), combine=False),
        head(4, 0),
        Hold(None, {2: 0b11}),
    ),
    "combine off: never a node that is too small": (
        world(Node(1, 0b11, 2), Node(2, 0b1, 8), combine=False),
        head(4, 0),
        Hold(None, {2: 0b1}),
    ),
    "devices are on their way from a job that has to leave": (
        world(ONE, rules=PREEMPTIVE, running=(runs(7, None, (1, 0b1000), leaving=True),)),
        head(4),
        Hold(None, {1: 7}),
    ),
    "devices that were taken from others are being cleaned": (
        world(ONE._replace(coming=0b1000), rules=PREEMPTIVE),
        head(4),
        Hold(None, {1: 7}),
    ),
    "devices are being cleaned where nobody takes any": (world(ONE._replace(coming=0b1000)), head(4), Hold()),
    "the first end after which there is enough counts": (
        world(ONE, running=(runs(7, NOW + 90, (1, 0b1000)), runs(8, NOW + 50, (1, 0b10000)))),
        head(4),
        Hold(NOW + 50, {1: 0b111}),
    ),
    "only what will be needed of what is free": (
        world(ONE, running=(runs(7, NOW + 50, (1, 0b11000)),)),
        head(4),
        Hold(NOW + 50, {1: 0b11}),
    ),
    "nothing when enough comes free": (
        world(ONE, running=(runs(7, NOW + 50, (1, 0b11111000)),)),
        head(4),
        Hold(NOW + 50, {}),
    ),
    "a job without a limit may run for ever": (world(ONE, running=(runs(7, None, (1, 0b1000)),)), head(4), Hold()),
    "what ends on a node that is not there helps nobody": (
        world(ONE, running=(runs(7, NOW + 50, (2, 0b1)), runs(8, NOW + 90, (1, 0b1000), (2, 0b10)))),
        head(4),
        Hold(NOW + 90, {1: 0b111}),
    ),
    "combine off: what ends on a node that is not there helps nobody": (
        world(ONE, combine=False, running=(runs(7, NOW + 50, (2, 0b1111)), runs(8, NOW + 90, (1, 0b1000)))),
        head(4),
        Hold(NOW + 90, {1: 0b111}),
    ),
    "combine off: each node has ends of its own": (
        world(
            Node(1, 0b1, 8),
            Node(2, 0b111, 8),
            combine=False,
            running=(runs(7, NOW + 50, (1, 0b110)), runs(8, NOW + 60, (2, 0b11000))),
        ),
        head(5),
        Hold(NOW + 60, {2: 0b111}),
    ),
    "combine off: only what will be needed of its node": (
        world(Node(2, 0b111, 8), combine=False, running=(runs(8, NOW + 60, (2, 0b11000)),)),
        head(4),
        Hold(NOW + 60, {2: 0b11}),
    ),
}


@pytest.mark.parametrize("case", HOLDS)
def test_what_is_held(case: str) -> None:
    snapshot, request, wanted = HOLDS[case]
    free = FreeDevices(snapshot.nodes)
    total = free.total
    assert hold_for(request, snapshot, free, []) == wanted
    assert free.total == total  # nothing is taken yet


def test_those_who_start_now_end_too() -> None:
    snapshot = world(ONE)
    placed = [
        (Request(2, 1, 2, 1, 0, 0, 70), Placed(2, ((1, 0b1000),))),
        (Request(3, 1, 3, 1, 0, 0), Placed(3, ((1, 0b10000),))),
    ]
    assert hold_for(head(4), snapshot, FreeDevices(snapshot.nodes), placed) == Hold(NOW + 70, {1: 0b111})


def test_a_head_for_which_others_have_to_leave_is_guarded_at_once() -> None:
    snapshot = world(ONE)
    assert hold_for(head(4), snapshot, FreeDevices(snapshot.nodes), [], urgent=True) == Hold(None, {1: 7})


def request(id_: int, devices: int, *, at: int = YOUNG, token: int = 1, limit: int | None = None) -> Request:
    return Request(id_, token, id_, devices, 0, at, limit)


def decided(snapshot: Snapshot, *queue: Request) -> list[object]:
    return list(plan(replace(snapshot, queue=queue)))


SHORT, BEHIND = Reason.NOT_ENOUGH_DEVICES, Reason.BLOCKED_BY_HEAD


def test_nobody_passes_who_would_take_what_the_limit_leaves_for_the_head() -> None:
    """The head will need four of the six that its token may hold; one who passes may take two, and no more."""
    snapshot = world(ONE, limits=Limits({1: Limit(0, 6)}))
    assert decided(snapshot, request(1, 4), request(2, 1), request(3, 2), request(4, 1)) == [
        Waits(1, SHORT, 4, 3),
        Placed(2, ((1, 0b1),)),
        Waits(3, BEHIND, 2, 2, 1),
        Placed(4, ((1, 0b10),)),
    ]


def test_the_slots_of_the_heads_sda_are_kept_for_it() -> None:
    snapshot = replace(world(ONE), sda_slots={1: 1})
    again = request(2, 1)._replace(sda_id=1)
    assert decided(snapshot, request(1, 4), again, request(3, 1)) == [
        Waits(1, SHORT, 4, 3),
        Waits(2, BEHIND, 1, 3, 1),
        Placed(3, ((1, 0b1),)),
    ]


def test_who_passes_on_what_is_held_leaves_the_hold_to_the_next() -> None:
    """Three are held until 50; one passes on them in time, and of the two that are left none is for a longer one."""
    snapshot = world(ONE, running=(runs(7, NOW + 50, (1, 0b1000)),))
    assert decided(
        snapshot, request(1, 4), request(2, 1, limit=50), request(3, 1, limit=51), request(4, 3, limit=50)
    ) == [
        Waits(1, SHORT, 4, 3),
        Placed(2, ((1, 0b1),)),
        Waits(3, BEHIND, 1, 0, 1),
        Waits(4, SHORT, 3, 0),
    ]


def test_combine_off_who_fits_only_together_with_what_is_held_stays_behind() -> None:
    snapshot = world(Node(1, 0b11111, 8), combine=False, running=(runs(7, NOW + 50, (1, 0b1100000)),))
    assert decided(snapshot, request(1, 6), request(2, 5), request(3, 6)) == [
        Waits(1, SHORT, 6, 5),
        Waits(2, BEHIND, 5, 1, 1),
        Waits(3, SHORT, 6, 1),
    ]


def test_without_reasons_too_the_short_ones_pass_on_what_is_held() -> None:
    snapshot = world(ONE, running=(runs(7, NOW + 50, (1, 0b1000)),))
    queue = (request(1, 4), request(2, 1, limit=51), request(3, 2, limit=50))
    free = FreeDevices(snapshot.nodes)
    assert list(starts(replace(snapshot, queue=queue), free)) == [Placed(3, ((1, 0b11),))]
    assert free.on(1) == 0b100  # what was held is given back, what was placed is not


def test_a_kept_index_has_again_what_was_held_when_the_plan_is_made() -> None:
    snapshot = replace(world(ONE), queue=(request(1, 4, at=0), request(2, 1)))
    free = FreeDevices(snapshot.nodes)
    assert plan(snapshot, free) == [Waits(1, SHORT, 4, 3), Waits(2, BEHIND, 1, 0, 1)]
    assert (free.total, free.on(1)) == (3, 0b111)
