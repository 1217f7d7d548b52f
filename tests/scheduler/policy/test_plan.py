import os
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import plan, starts
from scheduler.policy.snapshot import Node, QueuedRequest, Snapshot
from tests.scheduler.policy.snapshots import has_run, neighbours, nodes_by_the_book, snapshots

F = 0xFF


def job(id_: int, devices: int, priority: int = 0, at: int = 0, sda: int = 0) -> QueuedRequest:
    return QueuedRequest(id_, 1, sda or id_, devices, priority, at)


def group(
    masks: dict[int, int], *queue: QueuedRequest, combine: bool = True, slots: dict[int, int] | None = None
) -> Snapshot:
    """A group of nodes of eight devices, with one more node of eight that is not active."""
    active = tuple(Node(id_, mask, 8) for id_, mask in masks.items())
    return Snapshot(0, combine, active, queue, 8 * len(active) + 8, 8, slots or {})


WAITS = {
    "the head of the queue blocks those behind it": (
        group({1: 0b111}, job(1, 4), job(2, 1)),
        [Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 4, 3), Waits(2, PendingReason.BLOCKED_BY_HEAD, 1, 3, 1)],
    ),
    "the higher priority goes first, then the older, then the lower id": (
        group({1: 0b111}, job(1, 1, at=5), job(2, 1, at=5), job(4, 1, at=4), job(3, 1, priority=1, at=9)),
        [
            Placed(3, ((1, 0b1),)),
            Placed(4, ((1, 0b10),)),
            Placed(1, ((1, 0b100),)),
            Waits(2, PendingReason.NOT_ENOUGH_DEVICES, 1, 0),
        ],
    ),
    "combine off: free devices, but on no single node": (
        group({1: 0b111, 2: 0b11111}, job(1, 6), combine=False),
        [Waits(1, PendingReason.NO_SINGLE_NODE, 6, 5)],
    ),
    "combine off, too few in all": (
        group({1: 0b1, 2: 0b11}, job(1, 6), combine=False),
        [Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 6, 3)],
    ),
    "more than the group will ever have blocks nobody": (
        group({1: F}, job(1, 17), job(2, 8)),
        [Waits(1, PendingReason.NEVER_FITS, 17, 16), Placed(2, ((1, F),))],
    ),
    "as much as the group has in any state may still come": (
        group({1: F}, job(1, 16), job(2, 8)),
        [Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 16, 8), Waits(2, PendingReason.BLOCKED_BY_HEAD, 8, 8, 1)],
    ),
    "combine off: more than the largest node never fits": (
        group({1: F, 2: F}, job(1, 9), job(2, 8), combine=False),
        [Waits(1, PendingReason.NEVER_FITS, 9, 8), Placed(2, ((1, F),))],
    ),
    "a busy SDA holds up only its own jobs": (
        group({1: F}, job(1, 1, sda=5), job(2, 1, sda=5), job(3, 1, sda=6), slots={5: 1}),
        [Placed(1, ((1, 0b1),)), Waits(2, PendingReason.SDA_BUSY, 1, 0), Placed(3, ((1, 0b10),))],
    ),
    "no active backend": (
        group({}, job(1, 1), job(2, 1)),
        [Waits(1, PendingReason.NO_ACTIVE_BACKEND, 1, 0), Waits(2, PendingReason.BLOCKED_BY_HEAD, 1, 0, 1)],
    ),
    "a group without any backend": (
        replace(group({}, job(1, 1)), capacity=0, largest_node=0),
        [Waits(1, PendingReason.NO_ACTIVE_BACKEND, 1, 0)],
    ),
    "active backends without a free device": (
        group({1: 0, 2: 0}, job(1, 1)),
        [Waits(1, PendingReason.NOT_ENOUGH_DEVICES, 1, 0)],
    ),
    "an empty queue": (group({1: F}), []),
}


@pytest.mark.parametrize("case", WAITS)
def test_decisions(case: str) -> None:
    snapshot, wanted = WAITS[case]
    assert plan(snapshot) == wanted


def in_order(queue: tuple[QueuedRequest, ...]) -> list[QueuedRequest]:
    by_id = sorted(queue, key=lambda request: request.id)
    by_age = sorted(by_id, key=lambda request: request.requested_ms)
    return sorted(by_age, key=lambda request: request.priority, reverse=True)


@given(snapshots())
def test_every_invariant_of_one_plan(snapshot: Snapshot) -> None:
    """Walk through the decisions with books of our own: what is free, which SDA has a slot, who blocks."""
    free = {node.id: node.free for node in snapshot.nodes}
    slots = dict(snapshot.sda_slots)
    decisions = plan(snapshot)
    queue = in_order(snapshot.queue)
    assert [decision.request_id for decision in decisions] == [request.id for request in queue]
    head = None
    for request, decision in zip(queue, decisions, strict=True):
        why = _expected(request, snapshot, free, slots, head)
        assert isinstance(decision, Placed) if why is None else decision == why
        if isinstance(decision, Placed):
            _take(request, decision, free)
            if request.sda_id in slots:
                slots[request.sda_id] -= 1
        elif decision.reason not in (PendingReason.NEVER_FITS, PendingReason.SDA_BUSY) and head is None:
            head = request.id


def _take(request: QueuedRequest, placed: Placed, free: dict[int, int]) -> None:
    """Check that the devices are free, enough, each once and neighbours, and strike them off."""
    assert sum(mask.bit_count() for _, mask in placed.devices) == request.devices
    assert len({id_ for id_, _ in placed.devices}) == len(placed.devices)
    for id_, mask in placed.devices:
        assert mask
        assert mask & ~free[id_] == 0
        assert neighbours(mask) or not has_run(free[id_], mask.bit_count())
        free[id_] &= ~mask


def _expected(
    request: QueuedRequest, snapshot: Snapshot, free: dict[int, int], slots: dict[int, int], head: int | None
) -> Waits | None:
    """Say why the request must wait, or None when it must start."""
    total = sum(mask.bit_count() for mask in free.values())
    ceiling = snapshot.capacity if snapshot.combine else snapshot.largest_node
    if request.devices > ceiling > 0:
        return Waits(request.id, PendingReason.NEVER_FITS, request.devices, ceiling)
    if slots.get(request.sda_id) == 0:
        return Waits(request.id, PendingReason.SDA_BUSY, 1, 0)
    if head is not None:
        return Waits(request.id, PendingReason.BLOCKED_BY_HEAD, request.devices, total, head)
    sizes = {node.id: node.size for node in snapshot.nodes}
    if nodes_by_the_book(free, sizes, request.devices, snapshot.combine):
        return None
    return Waits(request.id, *_shortage(request.devices, free))


def _shortage(needed: int, free: dict[int, int]) -> tuple[PendingReason, int, int]:
    counts = [mask.bit_count() for mask in free.values()]
    if not counts:
        return PendingReason.NO_ACTIVE_BACKEND, needed, 0
    if sum(counts) < needed:
        return PendingReason.NOT_ENOUGH_DEVICES, needed, sum(counts)
    return PendingReason.NO_SINGLE_NODE, needed, max(counts)


@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(snapshot: Snapshot, random: Random) -> None:
    nodes = tuple(random.sample(snapshot.nodes, len(snapshot.nodes)))
    queue = tuple(random.sample(snapshot.queue, len(snapshot.queue)))
    assert plan(replace(snapshot, nodes=nodes, queue=queue)) == plan(snapshot)


@given(snapshots(), snapshots())
def test_a_reused_index_of_free_devices_plans_like_a_new_one(first: Snapshot, second: Snapshot) -> None:
    """Plan, give everything back, plan the other queue: as if nothing had been there before."""
    free = FreeDevices(first.nodes)
    for decision in plan(first, free):
        for node_id, mask in decision.devices if isinstance(decision, Placed) else ():
            free.give_back(node_id, mask)
    other = replace(first, queue=second.queue)
    assert plan(other, free) == plan(other)


@given(snapshots())
def test_without_reasons_the_same_jobs_start_on_the_same_devices(snapshot: Snapshot) -> None:
    ordered = replace(snapshot, queue=tuple(in_order(snapshot.queue)))
    wanted = [decision for decision in plan(snapshot) if isinstance(decision, Placed)]
    assert list(starts(ordered, FreeDevices(snapshot.nodes)).placed) == wanted


PRINT_A_PLAN = """
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Node, QueuedRequest, Snapshot
nodes = tuple(Node(i * 7 % 101, i * 37 % 256, 8) for i in range(101))
queue = tuple(QueuedRequest(i, i % 5, i % 9, i * 3 % 11 + 1, i % 3, i * 13 % 29) for i in range(1, 80))
print(plan(Snapshot(0, True, nodes, queue, 808, 8, {1: 2, 3: 0})))
"""


def _plan_elsewhere(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", PRINT_A_PLAN]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def test_another_process_makes_the_same_plan() -> None:
    first = _plan_elsewhere("1")
    assert "Placed" in first
    assert "Waits" in first
    assert _plan_elsewhere("2") == first


def test_the_reasons_on_the_wire() -> None:
    assert [reason.value for reason in PendingReason] == [
        "BLOCKED_BY_HEAD",
        "NOT_ENOUGH_DEVICES",
        "NO_SINGLE_NODE",
        "MAINTENANCE",
        "OVER_TOKEN_LIMIT",
        "OVER_GROUP_LIMIT",
        "TOKEN_STOPPED",
        "SDA_BUSY",
        "NO_ACTIVE_BACKEND",
        "GROUP_DRAINING",
        "NEVER_FITS",
    ]
