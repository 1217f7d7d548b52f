"""The worker that carries out maintenance windows dies at each of its writes. The lines are those of docs/adr/0001."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from backends.choices import MaintenanceState
from backends.models import Backend, Device, MaintenanceNode, MaintenanceWindow
from backends.services.maintenance import create_window, end_window
from core.clock import db_now
from events.models import Event
from scheduler import work
from scheduler.models import Job
from scheduler.services.nodes import activate_backend
from tests import make

pytestmark = pytest.mark.django_db
WRITES = ("INSERT", "UPDATE", "DELETE", "COPY")
HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The process died."""


def die_at(write: int) -> bool:
    """Run the worker until its nth write, which it does not do any more; return False if it had fewer."""
    left = write

    def kill(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        if sql.lstrip().startswith(WRITES):
            left -= 1
            if not left:
                raise Killed
        return execute(sql, *rest)

    try:
        with connection.execute_wrapper(kill):
            work.maintain()
    except Killed:
        return True
    return False


def at_each_write(then: Callable[[], None]) -> int:
    """Let the worker die at each of its writes in turn, each time in the same world; return how many there were."""
    write = 0
    dies = True
    while dies:
        write += 1
        point = transaction.savepoint()
        dies = die_at(write)
        then()
        transaction.savepoint_rollback(point)
    return write - 1


def planned() -> tuple[Backend, Backend, MaintenanceWindow, Job]:
    """Plan maintenance of two nodes, of which one runs a job; it should have begun."""
    free, busy = make.ready_backend(1), make.ready_backend(1)
    job = make.running_job(free)
    window = create_window([free.pk, busy.pk], starts_at=None, ends_at=db_now() + HOUR, reason="fans", actor=make.ACTOR)
    return busy, free, window, job


def counted() -> dict[str, int]:
    actions = Event.objects.exclude(action__in=("CREATE_MAINTENANCE",)).values_list("action", flat=True)
    wanted = ("_MAINTENANCE", "_NODE")
    return {action: list(actions).count(action) for action in set(actions) if action.endswith(wanted)}


def over(window: MaintenanceWindow) -> None:
    MaintenanceWindow.objects.filter(pk=window.pk).update(starts_at=db_now() - 2 * HOUR, ends_at=db_now() - HOUR)


def test_lines_37_and_39_while_a_window_begins() -> None:
    free, busy, window, job = planned()

    def goes_on() -> None:
        work.maintain()
        assert (make.statuses(free), make.statuses(busy)) == (["SHUTDOWN"], ["PROCESSING"])
        assert set(window.nodes.values_list("drained", "untold")) == {(1, False)}
        assert counted() == {"BEGIN_MAINTENANCE": 1, "DRAIN_NODE": 2, "NOTICE_MAINTENANCE": 1}
        assert Job.objects.get(pk=job.pk).revision == job.revision + 1

    assert at_each_write(goes_on) >= 6


@pytest.mark.parametrize("ends", ["early", "over", "activated"])
def test_line_37_and_then_it_ends_before_all_nodes_are_drained(ends: str) -> None:
    free, busy, window, _job = planned()

    def ended() -> None:
        if ends == "early":
            end_window(window, actor=make.ACTOR)
        elif ends == "over":
            over(window)
        else:
            for node in (free, busy):
                activate_backend(node, actor=make.ACTOR)
        work.maintain()
        assert (make.statuses(free), make.statuses(busy)) == (["IDLE"], ["PROCESSING"])
        assert set(Device.objects.values_list("drain_to", "drained")) == {("", False)}
        assert not MaintenanceNode.objects.filter(left_at=None).exists()

    at_each_write(ended)


def test_lines_38_and_39_while_its_nodes_return() -> None:
    free, busy, window, job = planned()
    work.maintain()
    over(window)

    def goes_on() -> None:
        work.maintain()
        window.refresh_from_db()
        assert window.state == MaintenanceState.OVER
        assert (make.statuses(free), make.statuses(busy)) == (["IDLE"], ["PROCESSING"])
        assert set(Device.objects.values_list("drain_to", "drained")) == {("", False)}
        assert not MaintenanceNode.objects.filter(returned_at=None).exists()
        assert counted() == {
            "BEGIN_MAINTENANCE": 1,
            "DRAIN_NODE": 2,
            "NOTICE_MAINTENANCE": 1,
            "END_MAINTENANCE": 1,
            "RETURN_NODE": 2,
            "WITHDRAW_MAINTENANCE": 1,
        }
        assert Job.objects.get(pk=job.pk).revision == job.revision + 2

    assert at_each_write(goes_on) >= 6
