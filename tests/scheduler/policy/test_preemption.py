"""Whose devices are taken: no one's in vain, and no more than is needed, where the least is lost."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.policy.placement import FreeDevices
from scheduler.policy.preemption import choose_victims
from scheduler.policy.snapshot import Node, QueuedRequest, Rules, Running, Snapshot

NOW = 1000


def head(devices: int) -> QueuedRequest:
    return QueuedRequest(1, 1, 1, devices, 5, 0)


def runs(id_: int, *devices: tuple[int, int], priority: int = 0, since: int = 0) -> Running:
    return Running(id_, 9, priority, devices, since)


def state(*nodes: Node, running: tuple[Running, ...], combine: bool = True, **more: Any) -> Snapshot:
    rules = Rules(preempt=True, min_run_ms=100)
    return Snapshot(0, combine, nodes, (), 99, 8, {}, rules=rules, now_ms=NOW, running=running, **more)


FULL = Node(1, 0, 8)
VICTIMS: dict[str, tuple[Snapshot, int, tuple[int, ...]]] = {
    "the lowest priority first": (
        state(FULL, running=(runs(7, (1, 0b1), priority=2), runs(8, (1, 0b10), priority=1))),
        1,
        (8,),
    ),
    "who has run for the minimum at this moment": (
        state(FULL, running=(runs(7, (1, 1), since=NOW - 100),)),
        1,
        (7,),
    ),
    "who lacks a millisecond of it keeps them": (
        state(FULL, running=(runs(7, (1, 1), since=NOW - 99),)),
        1,
        (),
    ),
    "whom a larger one makes needless is let go": (
        state(FULL, running=(runs(7, (1, 0b1)), runs(8, (1, 0b1110), priority=1))),
        3,
        (8,),
    ),
    "but not whom it leaves short": (
        state(FULL, running=(runs(7, (1, 0b1)), runs(8, (1, 0b1110), priority=1))),
        4,
        (7, 8),
    ),
    "of two that are not both needed the higher priority is let go": (
        state(
            FULL,
            running=(
                runs(7, (1, 0b11)),
                runs(8, (1, 0b1100), priority=1),
                runs(9, (1, 0b110000), priority=2),
                runs(10, (1, 0b11000000), priority=3),
            ),
        ),
        4,
        (7, 8),
    ),
    "the last of those that are not needed is let go first": (
        state(
            FULL,
            running=(
                runs(7, (1, 0b11)),
                runs(8, (1, 0b100), priority=1),
                runs(9, (1, 0b111000), priority=2),
            ),
        ),
        4,
        (7, 9),
    ),
    "what is free counts": (state(Node(1, 0b11, 8), running=(runs(7, (1, 0b100)),)), 3, (7,)),
    "what is being cleaned counts": (state(Node(1, 0, 8, 0b11), running=(runs(7, (1, 0b100)),)), 3, (7,)),
    "who leaves already counts, with all its devices": (
        state(FULL, running=(replace(runs(7, (1, 0b111)), preempted=True), runs(8, (1, 0b1000)))),
        4,
        (8,),
    ),
    "devices on a node that is not there help nobody": (
        state(FULL, running=(runs(7, (2, 0b1)), runs(8, (1, 0b1), priority=1))),
        1,
        (8,),
    ),
    "and count nothing beside those that do": (
        state(FULL, running=(runs(7, (1, 0b1), (2, 0b110)), runs(8, (1, 0b10), priority=1))),
        3,
        (),
    ),
    "combine off: what a job has elsewhere does not help": (
        state(
            FULL, Node(2, 0, 8), combine=False, running=(runs(7, (1, 0b1), (2, 0b1)), runs(8, (1, 0b10), priority=1))
        ),
        2,
        (7, 8),
    ),
    "combine off: the lowest priority is lost before the fewest devices": (
        state(
            FULL,
            Node(2, 0, 8),
            combine=False,
            running=(runs(7, (1, 0b1), priority=1), runs(8, (2, 0b111)), runs(9, (2, 0b1000))),
        ),
        1,
        (8,),
    ),
    "combine off: of equal priorities the fewest devices": (
        state(FULL, Node(2, 0, 8), combine=False, running=(runs(7, (1, 0b111)), runs(8, (2, 0b11), since=-1))),
        2,
        (8,),
    ),
    "combine off: the highest of those that are lost is what counts": (
        state(
            FULL,
            Node(2, 0, 8),
            combine=False,
            running=(
                runs(7, (1, 0b1)),
                runs(8, (1, 0b10), priority=3),
                runs(9, (2, 0b1), priority=2),
                runs(10, (2, 0b10), priority=2),
            ),
        ),
        2,
        (9, 10),
    ),
    "combine off: nobody, where enough is on its way to one node": (
        state(Node(1, 0b1, 8, 0b10), Node(2, 0, 8), combine=False, running=(runs(7, (2, 0b11)),)),
        2,
        (),
    ),
    "combine off: a node that is too small is not asked": (
        state(Node(1, 0b1, 2, 0b10), Node(2, 0, 8), combine=False, running=(runs(7, (2, 0b111)),)),
        3,
        (7,),
    ),
}


@pytest.mark.parametrize("case", VICTIMS)
def test_who_has_to_give_devices_back(case: str) -> None:
    snapshot, devices, wanted = VICTIMS[case]
    assert choose_victims(head(devices), snapshot, FreeDevices(snapshot.nodes)) == wanted


def test_nobody_where_that_is_not_allowed() -> None:
    snapshot = state(FULL, running=(runs(7, (1, 1)),))
    assert choose_victims(head(1), replace(snapshot, rules=Rules()), FreeDevices(snapshot.nodes)) == ()
