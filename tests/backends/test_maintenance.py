"""Maintenance windows: planned, changed, begun, ended; what they drain comes back, and nothing else."""

from datetime import datetime, timedelta

import pytest

from backends.choices import DeviceStatus, MaintenanceState, PowerVerb
from backends.errors import MaintenanceIsOver, MaintenanceOverlaps
from backends.models import Backend, Device, MaintenanceNode, MaintenanceWindow
from backends.services.devices import set_device_status
from backends.services.maintenance import change_window, create_window, end_window
from backends.services.power import DrainFirst
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from events.models import Event
from scheduler import work
from scheduler.services.nodes import activate_backend, drain_backend
from scheduler.services.power import drain_then
from tests import make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
IDLE, SHUTDOWN = DeviceStatus.IDLE, DeviceStatus.SHUTDOWN


def window(*nodes: Backend, starts: timedelta = -HOUR, lasts: timedelta = 2 * HOUR) -> MaintenanceWindow:
    """Plan a window; one that starts in the past is moved there, as if the time had passed."""
    now = db_now()
    made = create_window(
        [node.pk for node in nodes],
        starts_at=now + starts,
        ends_at=now + starts + lasts,
        reason="fans",
        actor=make.ACTOR,
    )
    move(made, now + starts)
    return made


def move(made: MaintenanceWindow, starts_at: datetime, ends_at: datetime | None = None) -> None:
    """Let time pass for a window."""
    MaintenanceWindow.objects.filter(pk=made.pk).update(
        starts_at=starts_at, **({"ends_at": ends_at} if ends_at else {})
    )
    made.refresh_from_db()


def end(made: MaintenanceWindow) -> None:
    move(made, db_now() - 2 * HOUR, db_now() - HOUR)
    work.maintain()


def actions(*, subject: str | None = None) -> list[str]:
    rows = Event.objects.filter(action__contains="MAINTENANCE") | Event.objects.filter(action__endswith="_NODE")
    found = rows.filter(subject=subject) if subject else rows
    return list(found.order_by("pk").values_list("action", flat=True))


def test_a_window_drains_its_nodes_and_returns_them() -> None:
    node, other = make.ready_backend(2), make.ready_backend(1)
    job = make.running_job(other)
    made = window(node, other)
    work.maintain()
    made.refresh_from_db()
    assert made.state == MaintenanceState.ACTIVE
    assert (make.statuses(node), make.statuses(other)) == ([SHUTDOWN] * 2, ["PROCESSING"])
    assert list(made.nodes.order_by("backend").values_list("drained", flat=True)) == [0b11, 0b1]
    assert actions() == [
        "CREATE_MAINTENANCE", "BEGIN_MAINTENANCE", "DRAIN_NODE", "DRAIN_NODE", "NOTICE_MAINTENANCE",
    ]  # fmt: skip
    work.maintain()  # nothing is left to do
    assert len(actions()) == 5
    end(made)
    made.refresh_from_db()
    job.refresh_from_db()
    assert (made.state, job.status) == (MaintenanceState.OVER, "RUNNING")
    assert (make.statuses(node), make.statuses(other)) == ([IDLE] * 2, ["PROCESSING"])
    assert set(Device.objects.values_list("drain_to", "drained")) == {("", False)}
    assert actions()[5:] == ["END_MAINTENANCE", "RETURN_NODE", "RETURN_NODE", "WITHDRAW_MAINTENANCE"]
    assert not MaintenanceNode.objects.filter(returned_at=None).exists()


def test_a_window_that_begins_when_another_one_ends_drains_what_that_returns() -> None:
    node = make.ready_backend(2)
    later = window(node, starts=2 * HOUR)  # the first one that is looked at
    now = window(node)
    work.maintain()
    move(later, db_now() - HOUR, db_now() + HOUR)
    move(now, db_now() - 2 * HOUR, db_now() - HOUR)
    work.maintain()
    assert list(Device.objects.values_list("status", "why", "drained")) == [("SHUTDOWN", "OPERATOR", True)] * 2
    assert list(later.nodes.values_list("drained", "left_at")) == [(0b11, None)]
    end(later)
    assert make.statuses(node) == [IDLE] * 2


def test_what_an_operator_took_out_before_or_meanwhile_stays_out() -> None:
    node = make.ready_backend(4)
    set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR, indexes=[0])
    made = window(node)
    work.maintain()
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR, indexes=[1])
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR, indexes=[2])
    assert made.nodes.get().drained == 0b1110
    end(made)
    assert make.statuses(node) == ["BUSY", SHUTDOWN, IDLE, IDLE]


def test_an_operators_drain_outlasts_the_window_and_one_for_power_does_not() -> None:
    drained, powered = make.ready_backend(1), make.ready_backend(1)
    made = window(drained, powered)
    work.maintain()
    assert drain_backend(drained, actor=make.ACTOR) == {0: "changed"}
    drain_then(powered, PowerVerb.OFF, DrainFirst(db_now() + HOUR, force=False), actor=make.ACTOR)
    end(made)
    assert (make.statuses(drained), make.statuses(powered)) == ([SHUTDOWN], [IDLE])
    assert Event.objects.get(action="KEEP_DRAINED").subject == f"backend/{drained.pk}"
    activate_backend(drained, actor=make.ACTOR)
    assert make.statuses(drained) == [IDLE]


def test_a_node_that_is_activated_leaves_the_window_that_lasts() -> None:
    node, other = make.ready_backend(1), make.ready_backend(1)
    made, later = window(node, other), window(node, starts=5 * HOUR)
    work.maintain()
    assert activate_backend(node, actor=make.ACTOR) == (True, 1)
    assert (make.statuses(node), make.statuses(other)) == ([IDLE], [SHUTDOWN])
    work.maintain()
    assert make.statuses(node) == [IDLE]
    assert list(made.nodes.filter(left_at=None).values_list("backend", flat=True)) == [other.pk]
    assert later.nodes.get().left_at is None
    assert actions(subject=f"backend/{node.pk}") == ["DRAIN_NODE", "LEAVE_MAINTENANCE"]


def test_canceled_it_never_begins_and_ended_early_it_returns() -> None:
    node = make.ready_backend(1)
    canceled = window(node, starts=HOUR)
    assert end_window(canceled, actor=make.ACTOR).state == MaintenanceState.CANCELED
    active = window(node)
    work.maintain()
    assert end_window(active, actor=make.ACTOR).state == MaintenanceState.OVER
    assert make.statuses(node) == [SHUTDOWN]
    work.maintain()
    assert make.statuses(node) == [IDLE]
    with pytest.raises(MaintenanceIsOver):
        end_window(active, actor=make.ACTOR)
    with pytest.raises(MaintenanceIsOver):
        change_window(canceled, actor=make.ACTOR, reason="no")


def test_a_window_that_nobody_could_begin_only_ends() -> None:
    node = make.ready_backend(1)
    made = window(node)
    end(made)
    made.refresh_from_db()
    assert (made.state, made.began_at, make.statuses(node)) == (MaintenanceState.OVER, None, [IDLE])
    assert actions() == ["CREATE_MAINTENANCE", "END_MAINTENANCE"]


def test_a_window_is_prolonged_and_postponed() -> None:
    node, now = make.ready_backend(1), db_now()
    made = window(node, starts=HOUR)
    change_window(made, actor=make.ACTOR, starts_at=now + 2 * HOUR, ends_at=now + 4 * HOUR, reason=" disks ")
    made.refresh_from_db()
    assert (made.starts_at, made.ends_at, made.reason) == (now + 2 * HOUR, now + 4 * HOUR, "disks")
    move(made, now)
    work.maintain()
    change_window(made, actor=make.ACTOR, ends_at=now + 9 * HOUR)
    with pytest.raises(InvalidParameter, match="begun already"):
        change_window(made, actor=make.ACTOR, starts_at=now + HOUR)
    with pytest.raises(InvalidParameter, match="past"):
        change_window(made, actor=make.ACTOR, ends_at=now - HOUR)


def test_windows_of_one_node_do_not_overlap() -> None:
    node, other = make.ready_backend(1), make.ready_backend(1)
    first, second = window(node, starts=HOUR), window(node, other, starts=3 * HOUR)  # one after the other
    with pytest.raises(MaintenanceOverlaps) as refused:
        window(node, other, starts=2 * HOUR, lasts=HOUR / 2)
    assert refused.value.details == {"backends": [node.name], "window": first.pk}
    with pytest.raises(MaintenanceOverlaps):
        change_window(first, actor=make.ACTOR, ends_at=db_now() + 4 * HOUR)
    end_window(second, actor=make.ACTOR)
    change_window(first, actor=make.ACTOR, ends_at=db_now() + 4 * HOUR)
    assert MaintenanceWindow.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"starts": -3 * HOUR}, "to"),
        ({"lasts": timedelta(0)}, "to"),
        ({"starts": timedelta(days=400)}, "from"),
        ({"lasts": timedelta(days=400)}, "to"),
    ],
)
def test_times_that_make_no_sense_are_refused(given: dict[str, timedelta], parameter: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        window(make.backend(1), **{"starts": HOUR, **given})
    assert refused.value.details == {"parameter": parameter}
    assert not MaintenanceWindow.objects.exists()


def test_nodes_and_a_reason_are_needed() -> None:
    node, ends_at = make.backend(1), db_now() + HOUR
    for ids, reason, refusal in (([], "x", InvalidParameter), ([0], "x", NotFound), ([node.pk], " ", InvalidParameter)):
        with pytest.raises(refusal):
            create_window(ids, starts_at=None, ends_at=ends_at, reason=reason, actor=make.ACTOR)
    assert not MaintenanceWindow.objects.exists()
