"""Staggered power-on: of a group at most some nodes in a time, whoever asks and however many workers carry it out."""

import random
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from backends.choices import ActionState, PowerVerb
from backends.models import Backend, BackendGroup, PowerAction
from backends.power.turns import next_turn
from backends.queries import due_actions
from backends.services.groups import create_backend_group, update_backend_group
from backends.services.power import lease_action, request_power
from core.clock import db_now
from tests import make

NOW = datetime(2026, 12, 1)
TIMES: dict[str, tuple[list[int], int]] = {
    "nobody else": ([], 0),
    "fewer than allowed": ([-5], 0),
    "as many as allowed": ([-5, -3], 5),
    "one is long ago": ([-11, -3], 0),
    "others are booked": ([-5, -3, 5, 7], 15),
}


@pytest.mark.parametrize("case", TIMES)
def test_when_one_more_node_may_be_powered_on(case: str) -> None:
    others, expected = TIMES[case]
    turn = next_turn(NOW, [NOW + timedelta(seconds=at) for at in others], nodes=2, within=timedelta(seconds=10))
    assert (turn - NOW).total_seconds() == expected


def test_no_time_ever_has_more_power_ons_than_allowed() -> None:
    chance = random.Random(4)  # noqa: S311
    turns: list[datetime] = []
    now, within = NOW, timedelta(seconds=10)
    for _ in range(300):
        now += timedelta(seconds=chance.choice((0, 0, 1, 7)))
        turns.append(next_turn(now, turns, nodes=3, within=within))
    for begin in turns:
        assert sum(begin <= turn < begin + within for turn in turns) <= 3


def _group(nodes: int, seconds: int) -> BackendGroup:
    return create_backend_group(name="racks", actor=make.ACTOR, power_on_nodes=nodes, power_on_s=seconds)


def _nodes(group: BackendGroup, count: int) -> list[Backend]:
    return [make.backend(1, group=group, bmc_user="admin", bmc_password="secret") for _ in range(count)]


def _begun(actions: list[PowerAction]) -> list[bool]:
    return [lease_action(action.pk) is not None for action in actions]


@pytest.mark.django_db
def test_a_group_powers_on_only_some_nodes_and_the_others_wait_for_their_turn() -> None:
    group = _group(2, 60)
    verbs = [PowerVerb.ON, PowerVerb.CYCLE, PowerVerb.ON, PowerVerb.STATUS, PowerVerb.ON, PowerVerb.ON]
    actions = [request_power(node, verb, actor=make.ACTOR) for node, verb in zip(_nodes(group, 6), verbs, strict=True)]
    assert _begun(actions) == [True, True, False, True, False, False]
    assert due_actions(db_now()) == []
    waiting = list(PowerAction.objects.filter(state=ActionState.QUEUED).order_by("pk"))
    waits = [(action.power_on_at - db_now()).total_seconds() for action in waiting if action.power_on_at]
    assert [round(wait, -1) for wait in waits] == [60, 60, 120]
    PowerAction.objects.exclude(power_on_at=None).update(power_on_at=db_now() - timedelta(seconds=61))
    assert due_actions(db_now()) == [action.pk for action in waiting]
    assert _begun(waiting) == [True, True, False]


@pytest.mark.django_db
def test_turns_that_all_came_while_no_worker_ran_are_not_used_at_once() -> None:
    actions = [request_power(node, PowerVerb.ON, actor=make.ACTOR) for node in _nodes(_group(1, 60), 4)]
    PowerAction.objects.update(power_on_at=db_now() - timedelta(seconds=1))
    assert _begun(actions) == [True, False, False, False]


@pytest.mark.django_db
def test_a_group_without_a_limit_and_another_group_wait_for_nobody() -> None:
    limited = _group(1, 60)
    free = make.default_group()
    nodes = [*_nodes(limited, 1), *_nodes(free, 3)]
    assert all(_begun([request_power(node, PowerVerb.ON, actor=make.ACTOR) for node in nodes]))
    update_backend_group(limited, actor=make.ACTOR, power_on_s=0)
    assert all(_begun([request_power(node, PowerVerb.ON, actor=make.ACTOR) for node in _nodes(limited, 2)]))


@pytest.mark.django_db(transaction=True)
def test_several_workers_never_take_one_turn_twice() -> None:
    actions = [request_power(node, PowerVerb.ON, actor=make.ACTOR) for node in _nodes(_group(3, 60), 8)]
    begun: list[bool] = []
    together = Barrier(4)

    def work(mine: list[PowerAction]) -> None:
        together.wait()
        begun.extend(_begun(mine))
        connection.close()

    threads = [Thread(target=work, args=[actions[worker::4]]) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), sum(begun)) == (8, 3)
