"""Node capacity, as PostgreSQL's triggers store it and as SQLite counts it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Agent, Backend, Device, ManagerPresence
from backends.node_capacity import (
    FITTING,
    NodeCapacity,
    fitting_node_capacities,
    read_node_capacities,
    wrong_node_capacities,
)
from backends.services.groups import create_backend_group, move_backend
from backends.services.nodes import add_devices
from core.clock import db_now
from scheduler.cycle.load import load, load_short_queue
from scheduler.cycle.tick import decide, tick
from scheduler.models import Allocation, Job
from scheduler.policy.decisions import Placed
from scheduler.policy.plan import plan
from tests import make
from tests.transitions import unchecked

pytestmark = pytest.mark.django_db
IDLE, CLEANING, BUSY = DeviceStatus.IDLE, DeviceStatus.CLEANING, DeviceStatus.BUSY


def capacities() -> list[tuple[int, int, int, bool]]:
    return [
        (capacity.idle, capacity.coming, capacity.size, bool(capacity.present))
        for capacity in read_node_capacities(0, db_now())
    ]


def more(node: Backend, indexes: range) -> int:
    add_devices(node, indexes)
    return len(indexes)


def of(node: Backend, index: int) -> "Device":
    return Device.objects.get(backend=node, index=index)


def _silence(node: Backend) -> None:
    ManagerPresence.objects.update(since=db_now() - timedelta(hours=1))
    Agent.objects.filter(pk=node.pk).update(last_seen=db_now() - timedelta(seconds=31))


CHANGES: dict[str, tuple[Callable[[Backend], object], tuple[int, int, int, bool]]] = {
    "nothing": (lambda _node: None, (0b1111, 0, 4, True)),
    "one device is taken": (lambda node: _set(node, 1, BUSY), (0b1101, 0, 4, True)),
    "two are being cleaned": (
        lambda node: (_set(node, 0, CLEANING), _set(node, 3, CLEANING)),
        (0b0110, 0b1001, 4, True),
    ),
    "one that is cleaned drains": (
        lambda node: Device.objects.filter(backend=node, index=2).update(status=CLEANING, drain_to=BUSY),
        (0b1011, 0, 4, True),
    ),
    "all at once, and one back": (
        lambda node: (Device.objects.filter(backend=node).update(status=BUSY), _set(node, 3, IDLE)),
        (0b1000, 0, 4, True),
    ),
    "it gets more devices": (lambda node: more(node, range(4, 6)), (0b1111, 0, 6, True)),
    "it loses one": (lambda node: of(node, 0).delete(), (0b1110, 0, 3, True)),
    "the last of 32 devices is free": (
        lambda node: (more(node, range(4, 32)), _set(node, 31, IDLE)),
        (1 << 31 | 0b1111, 0, 32, True),
    ),
    "the node is shut down": (
        lambda node: Backend.objects.filter(pk=node.pk).update(status=BackendStatus.SHUTDOWN),
        (0b1111, 0, 4, False),
    ),
    "its agent has never spoken": (
        lambda node: Agent.objects.filter(pk=node.pk).update(last_seen=None),
        (0b1111, 0, 4, False),
    ),
    "its agent has been silent for too long": (_silence, (0b1111, 0, 4, False)),
}
GONE: dict[str, Callable[[Backend], object]] = {
    "it is deleted": lambda node: Backend.objects.filter(pk=node.pk).update(deleted_at=db_now()),
    "it is in another group": lambda node: Backend.objects.filter(pk=node.pk).update(
        group=create_backend_group(name="other", actor=make.ACTOR)
    ),
}


def _set(node: Backend, index: int, status: DeviceStatus) -> int:
    return Device.objects.filter(backend=node, index=index).update(status=status)


@pytest.mark.parametrize("case", CHANGES)
def test_the_capacity_of_a_node_follows(case: str) -> None:
    change, expected = CHANGES[case]
    node = make.ready_backend(4)
    with unchecked():
        change(node)
    assert capacities() == [expected]


@pytest.mark.parametrize("case", GONE)
def test_a_node_of_another_group_has_no_capacity_in_the_group(case: str) -> None:
    GONE[case](make.ready_backend(4))
    assert capacities() == []


@pytest.mark.only_postgresql
def test_stored_capacities_agree_with_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    _random_nodes(random.Random(7), 40)  # noqa: S311 - worlds, not secrets
    now = db_now()
    stored = read_node_capacities(0, now)
    monkeypatch.setattr("backends.node_capacity.is_postgresql", lambda: False)
    assert [capacity._replace(present=bool(capacity.present)) for capacity in read_node_capacities(0, now)] == stored


def _random_nodes(chance: random.Random, count: int) -> None:
    for _ in range(count):
        node = make.ready_backend(chance.choice([2, 4, 8, 8]))
        with unchecked():
            for device in Device.objects.filter(backend=node):
                _set(node, device.index, chance.choice([IDLE, IDLE, BUSY, CLEANING]))
    Backend.objects.filter(pk__in=chance.sample(list(Backend.objects.values_list("pk", flat=True)), 5)).update(
        status=BackendStatus.SHUTDOWN
    )


@pytest.mark.only_postgresql
@pytest.mark.parametrize("seed", range(12))
def test_a_short_queue_is_planned_as_with_every_node(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - worlds, not secrets
    _random_nodes(chance, 30)
    for _ in range(chance.randint(1, 6)):
        make.job(num_devices=chance.choice([1, 1, 2, 3, 4, 8, 12]))
    few, every = load_short_queue(0), load(0)
    assert few is not None
    assert len(few.nodes) <= len(every.nodes)
    quick = plan(few)
    if all(isinstance(decision, Placed) for decision in quick):
        assert quick == plan(every)
    assert decide(0)[1] == plan(every)


@pytest.mark.only_postgresql
def test_the_first_nodes_of_each_kind_are_enough() -> None:
    unfit = [make.ready_backend(2) for _ in range(4)]
    nodes = [make.ready_backend(2) for _ in range(5)]
    _set(nodes[3], 0, BUSY)
    Backend.objects.filter(pk=unfit[0].pk).update(status=BackendStatus.SHUTDOWN)
    for gone, node in zip(GONE.values(), unfit[1:3], strict=True):
        gone(node)
    _silence(unfit[3])
    found = fitting_node_capacities(0, db_now(), 2)
    assert sorted(found or []) == [
        *(NodeCapacity(node.pk, 0b11, 2, 0, True) for node in nodes[:2]),
        NodeCapacity(nodes[3].pk, 0b10, 2, 0, True),
    ]


@pytest.mark.only_postgresql
def test_the_first_nodes_are_found_by_the_index() -> None:
    for _ in range(40):
        make.ready_backend(2)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE backends_room")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {FITTING}", {"group": 0, "silence_cutoff": db_now(), "disruptive": [], "most": 1})
        plan_of = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using room_free" in plan_of
    assert "Index Cond: ((group_id = 0) AND (ROW(free, size) >= " in plan_of
    assert "backends_room_pkey" not in plan_of
    assert "Sort" not in plan_of


@pytest.mark.only_postgresql
def test_a_group_finds_its_own_nodes_and_no_others() -> None:
    other = create_backend_group(name="other", actor=make.ACTOR)
    here, moved = make.ready_backend(2), make.ready_backend(2)
    there = make.ready_backend(2, group=other)
    assert _found(0) == [here.pk, moved.pk]
    move_backend(moved, other, actor=make.ACTOR)
    assert (_found(0), _found(other.pk)) == ([here.pk], [moved.pk, there.pk])
    assert wrong_node_capacities() == []


def _found(group_id: int) -> list[int]:
    return sorted(capacity.backend_id for capacity in fitting_node_capacities(group_id, db_now(), 8) or [])


@pytest.mark.only_postgresql
def test_the_nodes_of_other_groups_are_not_read() -> None:
    other = create_backend_group(name="other", actor=make.ACTOR)
    for _ in range(30):
        make.ready_backend(2, group=other)
    make.ready_backend(2)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE backends_room")
        cursor.execute("SET LOCAL enable_seqscan = off")
        since = db_now() - timedelta(hours=1)
        params: dict[str, Any] = {"group": 0, "silence_cutoff": since, "disruptive": [], "most": 1}
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {FITTING}", params)
        nodes = _parts(cursor.fetchone()[0][0]["Plan"])
    (scan,) = [node for node in nodes if node.get("Index Name") == "room_free"]
    assert scan.get("Rows Removed by Filter", 0) == 0


def _parts(plan_of: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan_of, *(part for child in plan_of.get("Plans", ()) for part in _parts(child))]


def test_a_pending_reason_counts_the_devices_of_the_whole_group() -> None:
    make.ready_backend(4)
    first, second = make.job(num_devices=3), make.job(num_devices=4)
    tick(0)
    assert list(Allocation.objects.values_list("job", flat=True)) == [first.pk] * 3
    waiting = Job.objects.get(pk=second.pk)
    assert (waiting.pending_reason, waiting.pending_needed, waiting.pending_available) == ("NOT_ENOUGH_DEVICES", 4, 1)


def test_sqlite_stores_no_node_capacities() -> None:
    make.ready_backend(4)
    assert (fitting_node_capacities(0, db_now(), 1) is None) == (connection.vendor == "sqlite")
