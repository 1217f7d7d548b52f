"""Requests for power, the worker that carries one out and changes of the BMC at once: none waits in a circle."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection

from backends.choices import UNDER_WAY, ActionState, PowerVerb
from backends.errors import ActionUnderWay
from backends.models import Backend, PowerAction
from backends.power.driver import PowerCommand, PowerState
from backends.services.nodes import update_backend
from backends.services.power import end_action, lease_action, record_sent, request_power
from backends.work import actions, slot
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20
Ends = Counter[str]


def _node() -> Backend:
    return make.backend(1, bmc_user="admin", bmc_password="secret")


@contextmanager
def _meanwhile(calls: list[Callable[[], object]]) -> Iterator[Ends]:
    """Repeat calls in threads of their own while the block runs; count how they ended."""
    ends: Ends = Counter()
    over = Event()

    def repeat(call: Callable[[], object]) -> None:
        while not over.wait(0.005):  # SQLite has one writer at a time: let the others write, too
            try:
                call()
                ends["done"] += 1
            except (ActionUnderWay, DatabaseError) as error:
                ends[type(error).__name__] += 1
        connection.close()

    threads = [Thread(target=repeat, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield ends
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _carry_out_what_comes() -> int:
    """Do to an action what a power worker does, until ROUNDS have ended."""
    ended = 0
    while ended < ROUNDS:
        if found := PowerAction.objects.filter(state__in=UNDER_WAY).first():
            lease = lease_action(found.pk)
            assert lease
            record_sent(lease, PowerVerb.RESET)
            lease.prolong()
            ended += end_action(lease, ActionState.SUCCEEDED)
    return ended


def test_requests_changes_of_the_bmc_and_the_worker_never_wait_in_a_circle() -> None:
    node = _node()

    def ask() -> None:
        request_power(node, PowerVerb.RESET, actor=make.ACTOR, force=True)

    def change() -> None:
        update_backend(node, actor=make.ACTOR, bmc={"password": "another"})

    with _meanwhile([ask, ask, change]) as ends:
        assert _carry_out_what_comes() == ROUNDS
    assert ends.keys() <= {"done", "ActionUnderWay"}
    assert set(PowerAction.objects.exclude(state__in=UNDER_WAY).values_list("state", "attempt")) == {("SUCCEEDED", 1)}


class _Pool:
    """A BMC that is on, and does at once what it is told."""

    def state(self, _login: object, **_limits: Any) -> PowerState:
        return PowerState.ON

    def control(self, _login: object, _command: PowerCommand, on_sent: Callable[[], None], **_limits: Any) -> bool:
        on_sent()
        return True


STORED = ("record_sent", "store_power_readings", "end_action")


@pytest.mark.parametrize("name", STORED)
def test_what_the_database_refuses_once_is_stored_later_and_a_reset_that_was_confirmed_succeeds(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    refusals = [OperationalError("deadlock detected")]
    real = getattr(actions, name)

    def refused_once(*args: Any, **fields: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*args, **fields)

    monkeypatch.setattr(actions, name, refused_once)
    monkeypatch.setattr(slot, "STORE_AGAIN", 0)
    monkeypatch.setattr(actions, "pool", _Pool)
    action = request_power(_node(), PowerVerb.RESET, actor=make.ACTOR)
    actions.drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.code, action.attempt, action.sent) == ("SUCCEEDED", "", 1, ["reset"])


def test_what_the_database_refuses_for_as_long_as_a_lease_lasts_is_given_up(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def refused(*_args: Any, **_fields: Any) -> None:
        raise OperationalError("the database is gone")

    settings.MOREH_POWER_LEASE *= 0
    monkeypatch.setattr(actions, "end_action", refused)
    monkeypatch.setattr(actions, "pool", _Pool)
    action = request_power(_node(), PowerVerb.STATUS, actor=make.ACTOR)
    with pytest.raises(OperationalError):
        actions.drive(action.pk)
