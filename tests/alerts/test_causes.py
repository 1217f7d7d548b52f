"""A cause raises its alert, its end clears it, and each is told once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from alerts.models import Alert
from alerts.services import acknowledge_alert
from backends.choices import ActionState, DeviceStatus, PowerStatus, PowerVerb, ShutdownReason
from backends.models import Agent, Backend, Device, ManagerPresence
from backends.power.monitoring import SensorReading, SensorState, SensorUnit
from backends.services.agents import alert_duplicate_agent, quarantine
from backends.services.monitoring import store_sensors
from backends.services.node_alerts import clear_node_alerts, note_silent_nodes
from backends.services.nodes import delete_backend
from backends.services.power import end_action, lease_action, request_power
from backends.services.power_readings import PowerReading, store_power_readings, store_weakness
from core.clock import db_now
from scheduler.models import Queue
from scheduler.reconcile import reconcile
from scheduler.services.lost_nodes import lose_backend
from scheduler.services.watch import note_unusable
from scheduler.services.workers import note_health
from scheduler.work import sweep
from tests import make
from tests.alerts.heard import by_category, heard

pytestmark = pytest.mark.django_db


def listened(seconds: int = 3600) -> None:
    """Let a manager have listened for so long."""
    now = db_now()
    since = {"since": now - timedelta(seconds=seconds), "seen": now}
    ManagerPresence.objects.update_or_create(pk=1, defaults=since)


def silent(node: Backend, seconds: float) -> None:
    Agent.objects.filter(pk=node.pk).update(last_seen=db_now() - timedelta(seconds=seconds))


def power(node: Backend, state: str, message: str = "no answer") -> None:
    action = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    lease = lease_action(action.pk)
    assert lease
    assert end_action(lease, ActionState(state), message=message)


def read(node: Backend, error: str = "") -> None:
    store_power_readings({node.pk: PowerReading(PowerStatus.UNKNOWN if error else PowerStatus.ON, error)}, at=db_now())


def unanswered(node: Backend) -> None:
    for error in ("BMC_TIMEOUT", "", "BMC_TIMEOUT", "", "BMC_TIMEOUT"):  # packets get lost
        read(node, error)
        assert not Alert.objects.exists()
    read(node, "BMC_TIMEOUT")
    read(node, "BMC_TIMEOUT")


def answered(node: Backend) -> None:
    for error in ("", "BMC_TIMEOUT", ""):
        read(node, error)
        assert Alert.objects.get().cleared_at is None
    read(node)


def sensors(node: Backend, state: str, times: int = 1) -> None:
    for _ in range(times):
        reading = SensorReading("CPU Temp", SensorUnit("celsius"), 99.0, SensorState(state))
        store_sensors(node.pk, [reading], at=db_now())


def lost(node: Backend) -> None:
    listened()
    silent(node, 120)
    lose_backend(node.pk)


def back(node: Backend) -> None:
    make.hello(node, 2, boot=2)
    make.answer(node)


def vanish(node: Backend) -> None:
    quarantine(node.devices.filter(index=1), ShutdownReason.UNKNOWN_WORKER, backend=node)


def returns(node: Backend) -> None:
    Device.objects.filter(backend=node).update(status=DeviceStatus.IDLE, why="")
    clear_node_alerts()


def claim(node: Backend) -> None:
    alert_duplicate_agent(node, ip_address="10.9.9.9")
    clear_node_alerts()


def quiet(_node: Backend) -> None:
    Alert.objects.update(last_at=db_now() - timedelta(seconds=601))
    clear_node_alerts()


def acknowledged(_node: Backend) -> None:
    acknowledge_alert(Alert.objects.get(cleared_at=None), actor=make.ACTOR)
    clear_node_alerts()


def inconsistent(_node: Backend) -> None:
    Queue.objects.update_or_create(pk=0, defaults={"lease_until": db_now() + timedelta(days=900)})
    reconcile()


def consistent(node: Backend) -> None:
    reconcile()
    acknowledged(node)
    reconcile()


class Case(NamedTuple):
    """What raises an alert, what clears it, and what the row says: category, level, text."""

    cause: Callable[[Backend], object]
    end: Callable[[Backend], object]
    row: tuple[str, str, str]


CASES: dict[str, Case] = {
    "a failed health check": Case(
        lambda node: note_health(node, ok=False, error="ECC"),
        lambda node: note_health(node, ok=True),
        ("GPU_ERROR", "WARNING", "gpu-1: health check failed: ECC"),
    ),
    "a device out by a fault": Case(
        vanish,
        returns,
        (
            "GPU_ERROR",
            "WARNING",
            "gpu-1: devices [1] are out of service (a worker runs on it that the records do not know).",
        ),
    ),
    "a lost node": Case(lost, back, ("NODE_LOST", "CRITICAL", "gpu-1 has been silent too long; it gets no jobs.")),
    "a deleted node": Case(
        lost,
        lambda node: delete_backend(node, actor=make.ACTOR),
        ("NODE_LOST", "CRITICAL", "gpu-1 has been silent too long; it gets no jobs."),
    ),
    "a node that is claimed twice": Case(
        claim,
        quiet,
        (
            "NODE_CLAIMED_TWICE",
            "CRITICAL",
            "An agent at 10.9.9.9 claims node gpu-1, whose own agent is alive; it was refused.",
        ),
    ),
    "a silent BMC": Case(
        unanswered,
        answered,
        ("BMC_UNREACHABLE", "WARNING", "BMC 127.0.0.1:623: BMC_TIMEOUT"),
    ),
    "a BMC without password": Case(
        lambda node: store_weakness(node.bmc, weak=True),
        lambda node: store_weakness(node.bmc, weak=False),
        ("BMC_WEAK", "CRITICAL", "BMC 127.0.0.1:623 lets strangers in without a password (cipher suite 0)."),
    ),
    "a sensor": Case(
        lambda node: sensors(node, "critical", 2),
        lambda node: sensors(node, "ok", 2),
        ("BMC_SENSOR", "CRITICAL", "Sensors beyond their limits: CPU Temp 99 celsius (critical)"),
    ),
    "an unknown outcome, then a known one": Case(
        lambda node: power(node, "UNKNOWN"),
        lambda node: power(node, "SUCCEEDED"),
        ("POWER_UNKNOWN", "CRITICAL", "Power action {action} (status): no answer"),
    ),
    "an unknown outcome that a person decides": Case(
        lambda node: power(node, "UNKNOWN"),
        acknowledged,
        ("POWER_UNKNOWN", "CRITICAL", "Power action {action} (status): no answer"),
    ),
    "an inconsistency": Case(
        inconsistent, consistent, ("INCONSISTENCY", "WARNING", "queue/0: its queue was leased until {until}; repaired.")
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_cause_raises_and_its_end_clears(case: Case) -> None:
    node = make.ready_backend(2, name="gpu-1")
    category, level, text = case.row
    with heard() as told:
        case.cause(node)
        alert = Alert.objects.get()
        if "{" in text:
            text = _filled(text, node, alert)
        assert (alert.category, alert.level, alert.text, alert.times) == (category, level, text, 1)
        assert told == [(alert.pk, "RAISED")]
        case.end(node)
    assert Alert.objects.get().cleared_at is not None
    assert told == [(alert.pk, "RAISED"), (alert.pk, "CLEARED")]


def _filled(text: str, node: Backend, alert: Alert) -> str:
    action = node.power_actions.first()
    problem = alert.params.get("problem", "")
    return text.format(action=action and action.pk, until=problem.rpartition(" ")[2])


def test_a_fault_that_the_verdict_shows_is_left_to_the_alert_about_health() -> None:
    node = make.ready_backend(2, name="gpu-1")
    with heard() as told:
        quarantine(node.devices.filter(index=1), ShutdownReason.NOT_CLEANED, backend=node)
        clear_node_alerts()
        note_unusable()
        clear_node_alerts()
        clear_node_alerts()
        assert by_category(told) == [("GPU_ERROR", "RAISED"), ("DEVICE_HEALTH", "RAISED"), ("GPU_ERROR", "CLEARED")]


def test_a_bmc_of_a_node_that_was_deleted_meanwhile_is_no_alert() -> None:
    node = make.backend(1)
    read(node, "BMC_TIMEOUT")
    delete_backend(node, actor=make.ACTOR)
    read(node, "BMC_TIMEOUT")
    assert not Alert.objects.exists()


def test_a_silent_node_is_told_once_until_it_has_reported_steadily() -> None:
    node, lost_one = make.ready_backend(1, name="gpu-1"), make.ready_backend(1)
    listened()
    silent(lost_one, 5)
    with heard() as told:
        for seconds in (31, 5, 40, 5):  # it comes and goes
            silent(node, seconds)
            note_silent_nodes()
        alert = Alert.objects.get()
        assert (alert.text, alert.times) == ("gpu-1 has not reported for more than 30 seconds.", 1)
        assert told == [(alert.pk, "RAISED")]
        Alert.objects.update(last_at=db_now() - timedelta(seconds=61))
        silent(node, 31)
        note_silent_nodes()  # silent again in the last moment
        listened(10)
        silent(node, 61)
        Alert.objects.update(last_at=db_now() - timedelta(seconds=61))
        note_silent_nodes()  # nobody listened long enough to know
        assert told == [(alert.pk, "RAISED")]
        listened()
        silent(node, 1)
        note_silent_nodes()
        assert told == [(alert.pk, "RAISED"), (alert.pk, "CLEARED")]


def test_a_node_that_is_lost_stays_silent_and_both_end_when_it_is_back() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    listened()
    with heard() as told:
        silent(node, 31)
        sweep()
        silent(node, 91)
        sweep()
        silent(node, 200)
        sweep()
        raised = [("NODE_SILENT", "RAISED"), ("NODE_LOST", "RAISED")]
        assert [(category, change) for category, change in by_category(told) if category != "JOB_ERROR"] == raised
        text = f"{node.name} has been silent too long; it gets no jobs, and those that ran on it have failed: 1."
        assert Alert.objects.get(category="NODE_LOST").text == text
        Agent.objects.update(last_seen=db_now())
        back(node)
        ended = {("NODE_SILENT", "CLEARED"), ("NODE_LOST", "CLEARED")}
        assert set(by_category(told)[len(raised) :]) == ended
        sweep()
        assert len(told) == len(raised) + len(ended)


def test_looks_for_alerts_take_the_same_queries_for_more_nodes(django_assert_max_num_queries: Any) -> None:
    for _ in range(12):
        node = make.ready_backend(2)
        quarantine(node.devices.filter(index=1), ShutdownReason.UNKNOWN_WORKER, backend=node)
        silent(node, 31)
    listened()
    note_silent_nodes()
    assert Alert.objects.filter(category="NODE_SILENT").count() == 12
    with django_assert_max_num_queries(18):
        note_silent_nodes()
    with django_assert_max_num_queries(18):
        clear_node_alerts()
