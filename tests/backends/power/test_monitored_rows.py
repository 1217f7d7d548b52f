"""Sensors and log entries in rows: read from real BMCs, alerts that do not flap, and logs that are cleared."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from backends import work
from backends.choices import PowerStatus, PowerVerb
from backends.models import Backend, Bmc, BmcLogEntry, PowerAction, Sensor
from backends.power.hysteresis import Alerted, next_alerted
from backends.power.monitoring import SensorState
from backends.services.nodes import delete_backend, update_backend
from backends.services.power import request_power
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from events.models import Event
from tests import make
from tests.backends.power import bmcs
from tests.backends.power.bmcs import Fleet

pytestmark = pytest.mark.django_db
OK, WARNING, CRITICAL, UNKNOWN = SensorState.OK, SensorState.WARNING, SensorState.CRITICAL, SensorState.UNKNOWN


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


def _node(bmc: bmcs.Bmc, password: str = bmcs.PASSWORD.decode()) -> Backend:
    where: dict[str, Any] = {"bmc_ip": bmc.address.host, "bmc_port": bmc.address.port}
    return make.backend(1, bmc_user=bmcs.USER.decode(), bmc_password=password, **where)


def _drive(node: Backend, verb: PowerVerb) -> PowerAction:
    action = request_power(node, verb, actor=make.ACTOR)
    work.drive(action.pk)
    action.refresh_from_db()
    return action


def _heat(bmc: bmcs.Bmc, raw: int) -> None:
    bmc.fleet.request({"do": "sensor", "bmc": bmc.index, "name": "CPU Temp", "raw": raw})


def _log(bmc: bmcs.Bmc, count: int) -> None:
    bmc.fleet.request({"do": "log", "bmc": bmc.index, "count": count})


def _alerts(node: Backend) -> list[tuple[str, str]]:
    found = Alert.objects.filter(category="BMC_SENSOR", subject_id=node.pk, cleared_at=None)
    return [(alert.level, alert.text) for alert in found]


def test_sensors_and_log_are_stored_when_an_operator_reads_them(fleet: Fleet) -> None:
    bmc = fleet.one()
    _log(bmc, 2)
    node = _node(bmc)
    assert _drive(node, PowerVerb.READ).state == "SUCCEEDED"
    cpu = Sensor.objects.get(backend=node, name="CPU Temp")
    assert (cpu.value, cpu.unit, cpu.state, cpu.upper_warning, cpu.upper_critical) == (48.0, "celsius", "ok", 85, 95)
    entries = BmcLogEntry.objects.filter(backend=node).order_by("pk")
    assert list(entries.values_list("record", "sensor", "severity", "message")) == [
        ("1", "CPU Temp", "critical", "Upper critical"),
        ("2", "CPU Temp", "ok", "Upper critical deasserted"),
    ]
    row = Bmc.objects.get(pk=node.pk)
    assert (row.monitor_error, row.log_record, row.busy_until, row.status) == ("", "2", None, "unknown")


def test_an_entry_is_stored_once_however_often_it_is_read(fleet: Fleet) -> None:
    bmc = fleet.one()
    node = _node(bmc)
    _log(bmc, 3)
    for _ in range(2):
        _drive(node, PowerVerb.READ)
        Bmc.objects.update(log_record="")  # as if it had been forgotten how far it was read
    assert BmcLogEntry.objects.filter(backend=node).count() == 3


def test_of_a_long_log_the_newest_entries_are_kept(fleet: Fleet, settings: Any) -> None:
    settings.MOREH_BMC_LOG_KEPT = 50
    bmc = fleet.one()
    _log(bmc, 600)
    node = _node(bmc)
    _drive(node, PowerVerb.READ)
    kept = BmcLogEntry.objects.filter(backend=node)
    assert (kept.count(), kept.first().record, kept.last().record) == (50, "600", "551")  # type: ignore[union-attr]


def test_a_log_is_stored_before_it_is_cleared_and_its_entries_stay(fleet: Fleet) -> None:
    bmc = fleet.one()
    _log(bmc, 300)
    node = _node(bmc)
    action = _drive(node, PowerVerb.CLEAR_LOG)
    assert (action.state, action.code) == ("SUCCEEDED", "")
    time.sleep(1.1)  # the log's times are whole seconds
    _log(bmc, 1)
    _drive(node, PowerVerb.READ)
    entries = BmcLogEntry.objects.filter(backend=node).order_by("pk")
    assert list(entries.values_list("record", flat=True)) == [*map(str, range(1, 301)), "1"]
    events = Event.objects.filter(subject=f"backend/{node.pk}", action="POWER_ENDED").order_by("pk")
    assert [event.request["command"] for event in events] == ["clear_log", "read"]


def test_the_alert_of_a_sensor_comes_at_once_and_goes_after_two_good_readings(fleet: Fleet) -> None:
    bmc = fleet.one()
    node = _node(bmc)
    seen = []
    for raw in (48, 90, 97, 60, 97, 60, 61, 62):
        _heat(bmc, raw)
        _drive(node, PowerVerb.READ)
        seen.append([level for level, _ in _alerts(node)])
    assert seen == [[], ["WARNING"], ["CRITICAL"], ["CRITICAL"], ["CRITICAL"], ["CRITICAL"], [], []]
    alert = Alert.objects.get(category="BMC_SENSOR")
    assert (alert.times, alert.text) == (2, "Sensors beyond their limits: CPU Temp 97 celsius (critical)")


@pytest.mark.parametrize("end", ["the BMC is removed", "the BMC has another address", "the node is deleted"])
def test_the_alert_is_cleared_when_nobody_can_read_the_sensor_any_more(fleet: Fleet, end: str) -> None:
    bmc = fleet.one()
    _heat(bmc, 97)
    node = _node(bmc)
    _drive(node, PowerVerb.READ)
    assert len(_alerts(node)) == 1
    if end == "the node is deleted":
        delete_backend(node, actor=make.ACTOR)
    else:
        update_backend(node, actor=make.ACTOR, bmc={"ip": "" if "removed" in end else "127.0.0.9"})
    assert (_alerts(node), Sensor.objects.filter(backend=node).count()) == ([], 0)


READINGS: dict[str, tuple[list[SensorState], list[SensorState]]] = {
    "worse at once": ([OK, WARNING, CRITICAL], [OK, WARNING, CRITICAL]),
    "better after two": ([CRITICAL, WARNING, WARNING], [CRITICAL, CRITICAL, WARNING]),
    "one good reading is not enough": ([CRITICAL, OK, CRITICAL, OK], [CRITICAL] * 4),
    "what is not read changes nothing": ([WARNING, UNKNOWN, OK, UNKNOWN, OK], [WARNING] * 4 + [OK]),
}


@pytest.mark.parametrize("case", READINGS)
def test_when_a_sensor_is_part_of_an_alert(case: str) -> None:
    readings, expected = READINGS[case]
    states, alerted = [], Alerted(OK)
    for reading in readings:
        alerted = next_alerted(alerted, reading)
        states.append(alerted.state)
    assert states == expected


def test_the_task_reads_what_is_due_and_no_silent_bmc(fleet: Fleet, settings: Any) -> None:
    good, silent, wrong = fleet.take(3)
    nodes = [_node(good), _node(silent), _node(wrong, password="wrong")]
    now = db_now()
    on, off = PowerReading(PowerStatus.ON), PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT")
    store_power_readings({nodes[0].pk: on, nodes[1].pk: off, nodes[2].pk: on}, at=now)
    settings.MOREH_SENSORS_EVERY = timedelta()
    work.monitor_bmcs()
    assert Sensor.objects.count() == 0
    settings.MOREH_SENSORS_EVERY = timedelta(minutes=15)
    work.monitor_bmcs()
    rows = Bmc.objects.in_bulk()
    assert [rows[node.pk].monitor_error for node in nodes] == ["", "", "WRONG_LOGIN"]
    assert [Sensor.objects.filter(backend=node).count() for node in nodes] == [8, 0, 0]
    assert (rows[nodes[2].pk].wrong_logins != [], rows[nodes[1].pk].monitored_at) == (True, None)
    before = rows[nodes[0].pk].monitored_at
    work.monitor_bmcs()
    assert Bmc.objects.get(pk=nodes[0].pk).monitored_at == before  # not due yet
