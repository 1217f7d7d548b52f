"""What is held for a head that does not fit: exactly what it will need, or all it could use, and not too early."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import Starts, plan, starts
from scheduler.policy.reservation import Reservation, reserve_for
from scheduler.policy.snapshot import Limit, Limits, Node, Policy, QueuedRequest, Rules, Running, Snapshot

NOW = 1_000_000  # the time of these snapshots, in milliseconds
GUARD = 60_000
RULES = Rules(Policy.BACKFILL, guard_ms=GUARD)
PREEMPTIVE = Rules(Policy.BACKFILL, guard_ms=GUARD, preempt=True)
TENTH = GUARD // 10
YOUNG = NOW - GUARD + 1


def head(devices: int) -> QueuedRequest:
    return QueuedRequest(1, 1, 1, devices, 0, 0)


def runs(
    id_: int, until: int | None, *devices: tuple[int, int], since: int = 0, preempted: bool = False, **more: Any
) -> Running:
    return Running(id_, 9, 0, devices, since, until, preempted, **more)


def state(*nodes: Node, combine: bool = True, rules: Rules = RULES, since: int = YOUNG, **more: Any) -> Snapshot:
    """A group whose job 1 has been at the head since then."""
    return Snapshot(0, combine, nodes, (), 99, 8, {}, rules=rules, now_ms=NOW, heads={1: since}, **more)


ONE = Node(1, 0b111, 8)
HOLDS: dict[str, tuple[Snapshot, QueuedRequest, Reservation]] = {
    "a head that has not waited for long": (state(ONE), head(4), Reservation()),
    "at the end of its guard time, all that is free, when the rest was taken a short while ago": (
        state(ONE, since=NOW - GUARD, running=(runs(7, None, (1, 0b1000), since=NOW - TENTH),)),
        head(4),
        Reservation(None, {1: 7}, NOW + TENTH),
    ),
    "nothing, when the rest was taken longer ago": (
        state(ONE, since=NOW - GUARD, running=(runs(7, None, (1, 0b1000), since=NOW - TENTH - 1),)),
        head(4),
        Reservation(),
    ),
    "all that is free, when the rest comes free by a limit before the window closes": (
        state(
            ONE,
            since=NOW - GUARD - 1,
            running=(runs(7, NOW + TENTH - 1, (1, 0b1000)), runs(8, None, (1, 0b10000), since=NOW)),
        ),
        head(5),
        Reservation(None, {1: 7}, NOW + TENTH - 1),
    ),
    "only what is needed, when limits promise a start before the window closes": (
        state(ONE, since=NOW - GUARD, running=(runs(7, NOW + TENTH, (1, 0b11000)),)),
        head(4),
        Reservation(NOW + TENTH, {1: 0b11}),
    ),
    "all that is free, when limits promise a start only after it": (
        state(
            ONE,
            since=NOW - GUARD,
            running=(runs(7, NOW + TENTH + 1, (1, 0b11000)), runs(8, None, (1, 0b100000), since=NOW)),
        ),
        head(4),
        Reservation(None, {1: 7}, NOW + TENTH),
    ),
    "without a guard time it is so from the first moment to the last": (
        state(ONE, rules=replace(RULES, guard_ms=0), running=(runs(7, None, (1, 0b1000)),)),
        head(4),
        Reservation(None, {1: 7}),
    ),
    "what a reservation holds never counts": (
        state(ONE, since=NOW - GUARD, running=(runs(-7, None, (1, 0b1000), since=NOW, fixed=True),)),
        head(4),
        Reservation(),
    ),
    "nor what drains": (
        state(ONE, since=NOW - GUARD, running=(runs(7, None, (1, 0b1000), since=NOW, lost=((1, 0b1000),)),)),
        head(4),
        Reservation(),
    ),
    "combine off: the emptiest node, of equals the one on which most is cleaned": (
        state(
            Node(1, 0b11, 8),
            Node(2, 0b11, 8, 0b100),
            Node(3, 0b1, 8),
            combine=False,
            since=NOW - GUARD - 1,
            running=tuple(runs(6 + node, None, (node, 0b11111000), since=NOW - 2) for node in (1, 2, 3)),
        ),
        head(6),
        Reservation(None, {2: 0b11}, NOW + TENTH - 1),
    ),
    "combine off: but first one on which nobody started since the window opened": (
        state(
            Node(1, 0b11, 8),
            Node(2, 0b1, 8),
            combine=False,
            since=NOW - GUARD - 1,
            running=(runs(7, None, (1, 0b1111100), since=NOW - 1), runs(8, None, (2, 0b1111110), since=NOW - 2)),
        ),
        head(6),
        Reservation(None, {2: 0b1}, NOW + TENTH - 1),
    ),
    "combine off: never a node that cannot be whole": (
        state(
            Node(1, 0b111, 8),
            Node(2, 0b1, 8),
            combine=False,
            since=NOW - GUARD,
            running=(runs(8, None, (2, 0b1110), since=NOW),),
        ),
        head(4),
        Reservation(None, {2: 0b1}, NOW + TENTH),
    ),
    "combine off: what limits promise on one node is kept beside what is reserved on another": (
        state(
            Node(1, 0b111, 8),
            Node(2, 0b1, 8),
            combine=False,
            since=NOW - GUARD,
            running=(runs(7, NOW + GUARD, (1, 0b11000)), runs(8, None, (2, 0b1110), since=NOW)),
        ),
        head(4),
        Reservation(None, {1: 0b11, 2: 0b1}, NOW + TENTH),
    ),
    "devices are on their way from a job that has to leave": (
        state(ONE, rules=PREEMPTIVE, running=(runs(7, None, (1, 0b11000), preempted=True),)),
        head(4),
        Reservation(NOW, {1: 0b111}),
    ),
    "devices are being cleaned": (state(ONE._replace(coming=0b1000)), head(4), Reservation(NOW, {1: 0b111})),
    "a job's limit is over, but it is still there": (
        state(ONE, running=(runs(7, NOW - 5, (1, 0b1000)),)),
        head(4),
        Reservation(NOW, {1: 0b111}),
    ),
    "what is being cleaned and what ends later count together": (
        state(ONE._replace(coming=0b1000), running=(runs(7, NOW + 50, (1, 0b10000)),)),
        head(5),
        Reservation(NOW + 50, {1: 0b111}),
    ),
    "what ends and then drains helps nobody": (
        state(ONE, running=(runs(7, NOW + 50, (1, 0b11000), lost=((1, 0b1000),)), runs(8, NOW + 90, (1, 0b100000)))),
        head(5),
        Reservation(NOW + 90, {1: 0b111}),
    ),
    "the first end after which there is enough counts": (
        state(ONE, running=(runs(7, NOW + 90, (1, 0b1000)), runs(8, NOW + 50, (1, 0b10000)))),
        head(4),
        Reservation(NOW + 50, {1: 0b111}),
    ),
    "only what will be needed of what is free": (
        state(ONE, running=(runs(7, NOW + 50, (1, 0b11000)),)),
        head(4),
        Reservation(NOW + 50, {1: 0b11}),
    ),
    "nothing when enough comes free": (
        state(ONE, running=(runs(7, NOW + 50, (1, 0b11111000)),)),
        head(4),
        Reservation(NOW + 50, {}),
    ),
    "a job without a limit may run for ever": (
        state(ONE, running=(runs(7, None, (1, 0b1000)),)),
        head(4),
        Reservation(),
    ),
    "what ends on a node that is not there helps nobody": (
        state(ONE, running=(runs(7, NOW + 50, (2, 0b1)), runs(8, NOW + 90, (1, 0b1000), (2, 0b10)))),
        head(4),
        Reservation(NOW + 90, {1: 0b111}),
    ),
    "combine off: what ends on a node that is not there helps nobody": (
        state(ONE, combine=False, running=(runs(7, NOW + 50, (2, 0b1111)), runs(8, NOW + 90, (1, 0b1000)))),
        head(4),
        Reservation(NOW + 90, {1: 0b111}),
    ),
    "combine off: each node has ends of its own": (
        state(
            Node(1, 0b1, 8),
            Node(2, 0b111, 8),
            combine=False,
            running=(runs(7, NOW + 50, (1, 0b110)), runs(8, NOW + 60, (2, 0b11000))),
        ),
        head(5),
        Reservation(NOW + 60, {2: 0b111}),
    ),
    "combine off: only what will be needed of its node": (
        state(Node(2, 0b111, 8), combine=False, running=(runs(8, NOW + 60, (2, 0b11000)),)),
        head(4),
        Reservation(NOW + 60, {2: 0b11}),
    ),
}


@pytest.mark.parametrize("case", HOLDS)
def test_what_is_held(case: str) -> None:
    snapshot, request, wanted = HOLDS[case]
    free = FreeDevices(snapshot.nodes)
    total = free.total
    assert reserve_for(request, snapshot, free, []) == wanted
    assert free.total == total  # nothing is taken yet


def test_those_who_start_now_end_too() -> None:
    snapshot = state(ONE)
    placed = [
        (QueuedRequest(2, 1, 2, 1, 0, 0, 70), Placed(2, ((1, 0b1000),))),
        (QueuedRequest(3, 1, 3, 1, 0, 0), Placed(3, ((1, 0b10000),))),
    ]
    assert reserve_for(head(4), snapshot, FreeDevices(snapshot.nodes), placed) == Reservation(NOW + 70, {1: 0b111})


def test_what_others_have_to_give_up_counts_at_once() -> None:
    snapshot = state(ONE, running=(runs(7, None, (1, 0b11000)), runs(8, None, (1, 0b100000))))
    assert reserve_for(head(4), snapshot, FreeDevices(snapshot.nodes), [], [7]) == Reservation(NOW, {1: 0b111})


def request(id_: int, devices: int, *, at: int = YOUNG, token: int = 1, limit: int | None = None) -> QueuedRequest:
    return QueuedRequest(id_, token, id_, devices, 0, at, limit)


def decided(snapshot: Snapshot, *queue: QueuedRequest) -> list[object]:
    return list(plan(replace(snapshot, queue=queue)))


SHORT, BEHIND = PendingReason.NOT_ENOUGH_DEVICES, PendingReason.BLOCKED_BY_HEAD


def test_nobody_passes_who_would_take_what_the_limit_leaves_for_the_head() -> None:
    """The head will need four of the six that its token may hold; one who passes may take two, and no more."""
    snapshot = state(ONE, limits=Limits({1: Limit(0, 6)}))
    assert decided(snapshot, request(1, 4), request(2, 1), request(3, 2), request(4, 1)) == [
        Waits(1, SHORT, 4, 1),
        Placed(2, ((1, 0b1),)),
        Waits(3, BEHIND, 2, 1, 1),
        Placed(4, ((1, 0b10),)),
    ]


def test_the_slots_of_the_heads_sda_are_reserved_for_it() -> None:
    snapshot = replace(state(ONE), sda_slots={1: 1})
    again = request(2, 1)._replace(sda_id=1)
    assert decided(snapshot, request(1, 4), again, request(3, 1)) == [
        Waits(1, SHORT, 4, 2),
        Waits(2, BEHIND, 1, 2, 1),
        Placed(3, ((1, 0b1),)),
    ]


def test_who_passes_on_what_is_held_leaves_the_hold_to_the_next() -> None:
    """Three are held until 50; one passes on them in time, and of the two that are left none is for a longer one."""
    snapshot = state(ONE, running=(runs(7, NOW + 50, (1, 0b1000)),))
    assert decided(
        snapshot, request(1, 4), request(2, 1, limit=50), request(3, 1, limit=51), request(4, 3, limit=50)
    ) == [
        Waits(1, SHORT, 4, 2),
        Placed(2, ((1, 0b1),)),
        Waits(3, BEHIND, 1, 2, 1),
        Waits(4, SHORT, 3, 2),
    ]


def test_combine_off_who_fits_only_together_with_what_is_held_stays_behind() -> None:
    snapshot = state(Node(1, 0b11111, 8), combine=False, running=(runs(7, NOW + 50, (1, 0b1100000)),))
    assert decided(snapshot, request(1, 6), request(2, 5), request(3, 6)) == [
        Waits(1, SHORT, 6, 5),
        Waits(2, BEHIND, 5, 5, 1),
        Waits(3, SHORT, 6, 5),
    ]


def test_without_reasons_too_the_short_ones_pass_on_what_is_held() -> None:
    snapshot = state(ONE, running=(runs(7, NOW + 50, (1, 0b1000)),))
    queue = (request(1, 4), request(2, 1, limit=51), request(3, 2, limit=50))
    free = FreeDevices(snapshot.nodes)
    assert starts(replace(snapshot, queue=queue), free) == Starts((Placed(3, ((1, 0b11),)),), 1, None)
    assert free.on(1) == 0b100  # what was held is given back, what was placed is not


def test_a_reused_index_has_the_reserved_devices_again_after_the_plan() -> None:
    waiting = (request(1, 4, at=0), request(2, 1))
    snapshot = replace(state(ONE, since=NOW - GUARD, running=(runs(7, None, (1, 0b1000), since=NOW),)), queue=waiting)
    free = FreeDevices(snapshot.nodes)
    assert starts(snapshot, free) == Starts((), 1, NOW + TENTH)
    assert plan(snapshot, free) == [Waits(1, SHORT, 4, 3), Waits(2, BEHIND, 1, 3, 1)]
    assert (free.total, free.on(1)) == (3, 0b111)
