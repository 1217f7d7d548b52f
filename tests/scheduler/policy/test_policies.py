"""Backfill, fair, limits, drained groups and preemption by examples."""

from dataclasses import replace

import pytest

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Limit, Limits, Node, Policy, QueuedRequest, Rules, Running, Snapshot

F = 0xFF
LATE = 1_000_000  # the time of these snapshots, in milliseconds


def job(
    id_: int, devices: int, priority: int = 0, *, at: int = 0, token: int = 1, limit: int | None = None
) -> QueuedRequest:
    return QueuedRequest(id_, token, id_, devices, priority, at, limit)


def runs(id_: int, node: int, mask: int, *, priority: int = 0, since: int = 0, until: int | None = None) -> Running:
    return Running(id_, 9, priority, ((node, mask),), since, until)


def state(masks: dict[int, int], *queue: QueuedRequest, combine: bool = True, **more: object) -> Snapshot:
    nodes = tuple(Node(id_, mask, 8) for id_, mask in masks.items())
    plain = Snapshot(0, combine, nodes, queue, 8 * len(nodes), 8, {}, now_ms=LATE)
    return replace(plain, **more)  # type: ignore[arg-type]


BACKFILL = Rules(Policy.BACKFILL, guard_ms=LATE + 1)
GUARDED = Rules(Policy.BACKFILL, guard_ms=0)
PREEMPTIVE = Rules(preempt=True, min_run_ms=100)
SHORT = PendingReason.NOT_ENOUGH_DEVICES
BEHIND = PendingReason.BLOCKED_BY_HEAD
CASES = {
    "a job behind passes when it fits": (
        state({1: 0b111}, job(1, 4), job(2, 2), rules=BACKFILL),
        [Waits(1, SHORT, 4, 1), Placed(2, ((1, 0b11),))],
    ),
    "nobody passes a head that is guarded": (
        state({1: 0b111}, job(1, 4), job(2, 2), rules=GUARDED, running=(runs(7, 1, 0b1000),)),
        [Waits(1, SHORT, 4, 3), Waits(2, BEHIND, 2, 3, 1)],
    ),
    "nor takes of any node that may have enough for it first": (
        state(
            {1: 0b111111, 2: 0b1111},
            job(1, 8),
            job(2, 4),
            combine=False,
            rules=GUARDED,
            running=(runs(7, 1, 0b11000000), runs(8, 2, 0b11110000)),
        ),
        [Waits(1, PendingReason.NO_SINGLE_NODE, 8, 6), Waits(2, BEHIND, 4, 10, 1)],
    ),
    "but where it cannot be helped": (
        state({1: 0b111}, job(1, 4), job(2, 2), rules=GUARDED),
        [Waits(1, SHORT, 4, 1), Placed(2, ((1, 0b11),))],
    ),
    "whoever wants more than there is, is told so, guard or not": (
        state({1: 0b111}, job(1, 4), job(2, 5), rules=GUARDED, running=(runs(7, 1, 0b1000),)),
        [Waits(1, SHORT, 4, 3), Waits(2, SHORT, 5, 3)],
    ),
    "combine off: only one node is held": (
        state(
            {1: 0b111, 2: 0b11},
            job(1, 4),
            job(2, 2),
            job(3, 3),
            combine=False,
            rules=GUARDED,
            running=(runs(7, 1, 0b1000),),
        ),
        [Waits(1, SHORT, 4, 3), Placed(2, ((2, 0b11),)), Waits(3, BEHIND, 3, 3, 1)],
    ),
    "who passes leaves the head without enough devices in all": (
        state({1: 0b111, 2: 0b111}, job(1, 4), job(2, 3), combine=False, rules=BACKFILL),
        [Waits(1, SHORT, 4, 3), Placed(2, ((1, 0b111),))],
    ),
    "with time limits known, a short job passes on what is held": (
        state(
            {1: 0b111},
            job(1, 4),
            job(2, 2, limit=50),
            job(3, 1, limit=51),
            rules=BACKFILL,
            running=(runs(7, 1, 0b11000, until=LATE + 50),),
        ),
        [Waits(1, SHORT, 4, 0), Placed(2, ((1, 0b11),)), Placed(3, ((1, 0b100),))],
    ),
    "and a long one only beside what the head will need": (
        state(
            {1: 0b111},
            job(1, 4),
            job(2, 2, limit=51),
            job(3, 1),
            rules=BACKFILL,
            running=(runs(7, 1, 0b11000, until=LATE + 50),),
        ),
        [Waits(1, SHORT, 4, 2), Waits(2, BEHIND, 2, 2, 1), Placed(3, ((1, 0b100),))],
    ),
    "fair: the token that used less goes first within a priority": (
        state(
            {1: 0b1}, job(1, 1, token=1), job(2, 1, token=2), rules=Rules(Policy.FAIR), decayed_usage={1: 5.0, 2: 4.0}
        ),
        [Placed(2, ((1, 0b1),)), Waits(1, SHORT, 1, 0)],
    ),
    "fair: the higher priority still goes before it": (
        state({1: 0b1}, job(1, 1, 1, token=1), job(2, 1, token=2), rules=Rules(Policy.FAIR), decayed_usage={1: 5.0}),
        [Placed(1, ((1, 0b1),)), Waits(2, SHORT, 1, 0)],
    ),
    "fair: tokens that used alike take turns": (
        state({1: 0b111}, job(1, 1, token=1), job(2, 1, token=1), job(3, 1, at=9, token=2), rules=Rules(Policy.FAIR)),
        [Placed(1, ((1, 0b1),)), Placed(3, ((1, 0b10),)), Placed(2, ((1, 0b100),))],
    ),
    "fair: a turn costs a token as much as it takes devices": (
        state(
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
        state({1: F}, job(1, 3), job(2, 2), job(3, 1, token=2), limits=Limits({1: Limit(2, 4)})),
        [Waits(1, PendingReason.OVER_TOKEN_LIMIT, 7, 4), Placed(2, ((1, 0b11),)), Placed(3, ((1, 0b100),))],
    ),
    "a job of a stopped token waits and blocks nobody": (
        state({1: F}, job(1, 9), job(2, 2), job(3, 1, token=2), limits=Limits(stopped=frozenset({1}))),
        [
            Waits(1, PendingReason.NEVER_FITS, 9, 8),
            Waits(2, PendingReason.TOKEN_STOPPED, 2, 0),
            Placed(3, ((1, 0b1),)),
        ],
    ),
    "a stopped token's job takes nobody's devices and gets none kept": (
        state(
            {1: 0b1},
            job(1, 3, 5),
            job(2, 1, token=2),
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b110, priority=4),),
            limits=Limits(stopped=frozenset({1})),
        ),
        [Waits(1, PendingReason.TOKEN_STOPPED, 3, 0), Placed(2, ((1, 0b1),))],
    ),
    "what this plan places counts": (
        state({1: F}, job(1, 1), job(2, 1), limits=Limits({1: Limit(0, 1)})),
        [Placed(1, ((1, 0b1),)), Waits(2, PendingReason.OVER_TOKEN_LIMIT, 2, 1)],
    ),
    "tokens of one group share its limit": (
        state(
            {1: F},
            job(1, 3, token=1),
            job(2, 2, token=2),
            job(3, 1, token=3),
            limits=Limits({}, {5: Limit(0, 4)}, {1: (5,), 2: (5,)}),
        ),
        [Placed(1, ((1, 0b111),)), Waits(2, PendingReason.OVER_GROUP_LIMIT, 5, 4), Placed(3, ((1, 0b1000),))],
    ),
    "a group that drains starts nothing": (
        state({1: F}, job(1, 1), job(2, 9), rules=Rules(draining=True)),
        [Waits(1, PendingReason.GROUP_DRAINING, 1, 0), Waits(2, PendingReason.GROUP_DRAINING, 9, 0)],
    ),
    "the lowest priority gives its devices back, of equals the latest": (
        state(
            {1: 0b1},
            job(1, 3, 5),
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b110, priority=4), runs(8, 1, 0b11000, since=9), runs(9, 1, 0b1100000, since=5)),
        ),
        [Waits(1, SHORT, 3, 1, victims=(8,))],
    ),
    "nobody is taken from whom it would not help": (
        state({1: 0b1}, job(1, 8, 5), rules=PREEMPTIVE, running=(runs(7, 1, 0b110),)),
        [Waits(1, SHORT, 8, 1)],
    ),
    "equals, the young and reservations keep theirs": (
        state(
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
        state(
            {},
            job(1, 2, 5),
            nodes=(Node(1, 0, 8, 0b1),),
            capacity=8,
            rules=PREEMPTIVE,
            running=(runs(7, 1, 0b10), replace(runs(8, 1, 0b100), preempted=True)),
        ),
        [Waits(1, SHORT, 2, 0)],
    ),
    "combine off: the node where the least is lost": (
        state(
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
