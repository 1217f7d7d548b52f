"""Sensors and event logs over real IPMI packets: with ipmitool, with ipmi_sim, and of BMCs that answer nonsense."""

import re
import time
from contextlib import suppress
from typing import Any

import pytest

from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import PowerError
from backends.power.monitoring import MOST_SENSORS, LogMark, SensorReading, SensorState, SensorUnit, Thresholds
from backends.power.pool import DriverPool
from tests.backends.power.bmcs import Bmc, Fleet
from tests.backends.power.test_peers import ipmitool

TEMPERATURE = Thresholds(upper_warning=85.0, upper_critical=95.0)
OK = SensorState.OK


def _set(bmc: Bmc, name: str, raw: int) -> None:
    bmc.fleet.request({"do": "sensor", "bmc": bmc.index, "name": name, "raw": raw})


def _log(bmc: Bmc, count: int) -> None:
    bmc.fleet.request({"do": "log", "bmc": bmc.index, "count": count})


def _by_name(readings: list[SensorReading]) -> dict[str, SensorReading]:
    return {reading.name: reading for reading in readings}


@pytest.mark.parametrize("short", [False, True], ids=["whole records", "records in pieces"])
def test_our_driver_reads_values_units_states_and_thresholds(fleet: Fleet, pool: DriverPool, short: bool) -> None:
    bmc = fleet.one().fails(short_records=short)
    _set(bmc, "CPU Temp", 97)
    _set(bmc, "12V", 189)
    found = _by_name(pool.sensors(bmc.login))
    assert list(found) == ["CPU Temp", "Inlet Temp", "12V", "Fan 1", "Fan 2", "Total Power", "PSU 1", "PSU 2"]
    assert found["CPU Temp"] == SensorReading("CPU Temp", SensorUnit.CELSIUS, 97.0, SensorState.CRITICAL, TEMPERATURE)
    assert found["12V"] == SensorReading(
        "12V", SensorUnit.VOLTS, 11.34, SensorState.WARNING, Thresholds(10.8, 11.4, 12.6, 13.2)
    )
    assert found["Fan 1"] == SensorReading(
        "Fan 1", SensorUnit.RPM, 6000.0, OK, Thresholds(lower_critical=1000.0, lower_warning=2000.0)
    )
    assert found["Total Power"] == SensorReading("Total Power", SensorUnit.WATTS, 600.0, OK)
    assert found["PSU 1"] == SensorReading("PSU 1", SensorUnit.NONE, None, OK)
    _set(bmc, "PSU 1", 0b1001)  # present, and its input lost
    assert _by_name(pool.sensors(bmc.login))["PSU 1"].state is SensorState.CRITICAL


def test_a_sensor_that_is_not_read_has_no_value(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    pool.control(bmc.login, PowerCommand.OFF, lambda: None)
    fan = _by_name(pool.sensors(bmc.login))["Fan 1"]
    assert (fan.value, fan.state, fan.unit) == (None, SensorState.UNKNOWN, SensorUnit.RPM)


def test_ipmitool_reads_our_sensors_as_our_driver_does(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    _set(bmc, "CPU Temp", 97)
    rows = [[cell.strip() for cell in line.split("|")] for line in ipmitool(bmc, 17, "sdr").stdout.splitlines()]
    theirs = {name: (value, state) for name, value, state in rows}
    assert theirs["CPU Temp"] == ("97 degrees C", "cr")
    assert theirs["12V"] == ("12 Volts", "ok")
    assert theirs["Fan 1"] == ("6000 RPM", "ok")
    assert theirs["Total Power"] == ("600 Watts", "ok")
    assert list(theirs) == list(_by_name(pool.sensors(bmc.login)))
    limits = ipmitool(bmc, 17, "sensor", "get", "CPU Temp").stdout
    assert re.search(r"Upper Non-Critical +: 85\.000", limits)
    assert re.search(r"Upper Critical +: 95\.000", limits)


def test_ipmitool_reads_our_log_as_our_driver_does(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    _log(bmc, 3)
    pool.sensors(bmc.login)  # the names of sensors
    ours = pool.log(bmc.login, None)
    assert [(entry.record, entry.sensor, entry.severity, entry.message) for entry in ours.entries] == [
        ("1", "CPU Temp", SensorState.CRITICAL, "Upper critical"),
        ("2", "CPU Temp", OK, "Upper critical deasserted"),
        ("3", "PSU 1", SensorState.CRITICAL, "Power input lost"),
    ]
    assert ours.more is False
    assert all(entry.time and abs(entry.time / 1000 - time.time()) < 30 for entry in ours.entries)
    theirs = [line.split("|") for line in ipmitool(bmc, 17, "sel", "elist").stdout.splitlines()]
    assert [(row[3].strip(), row[4].strip(), row[5].strip()) for row in theirs] == [
        ("Temperature CPU Temp", "Upper Critical going high", "Asserted"),
        ("Temperature CPU Temp", "Upper Critical going high", "Deasserted"),
        ("Power Supply PSU 1", "Power Supply AC lost", "Asserted"),
    ]


def test_a_log_is_read_on_from_an_entry_and_from_the_beginning_when_it_was_cleared(
    fleet: Fleet, pool: DriverPool
) -> None:
    bmc = fleet.one()
    _log(bmc, 2)
    first, second = pool.log(bmc.login, None).entries
    assert pool.log(bmc.login, first.mark).entries == (second,)
    assert pool.log(bmc.login, second.mark).entries == ()
    assert "Clearing SEL" in ipmitool(bmc, 17, "sel", "clear").stdout
    assert pool.log(bmc.login, second.mark).entries == ()
    time.sleep(1.1)  # the log's times are whole seconds
    _log(bmc, 2)
    assert [entry.record for entry in pool.log(bmc.login, second.mark).entries] == ["1", "2"]


def test_a_log_of_many_entries_comes_in_portions(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    _log(bmc, 600)
    sizes, mark, more = [], None, True
    while more:
        portion = pool.log(bmc.login, mark)
        sizes.append(len(portion.entries))
        mark, more = portion.entries[-1].mark, portion.more
    assert (sizes, mark.record if mark else "") == ([256, 256, 88], "600")


def test_a_log_is_cleared_only_up_to_the_entry_that_the_caller_knows(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    _log(bmc, 1)
    [known] = pool.log(bmc.login, None).entries
    _log(bmc, 1)
    assert pool.clear_log(bmc.login, known.mark) is False
    assert pool.clear_log(bmc.login, None) is False
    last = pool.log(bmc.login, known.mark).entries[-1]
    assert pool.clear_log(bmc.login, last.mark) is True
    assert pool.log(bmc.login, last.mark).entries == ()
    assert pool.clear_log(bmc.login, last.mark) is True  # it is empty


def test_a_list_of_sensors_that_never_ends_is_given_up_and_delays_nobody(fleet: Fleet, pool: DriverPool) -> None:
    bmc, healthy = fleet.one().fails(endless_sensors=True), fleet.one()
    began = time.monotonic()
    found = pool.sensors(bmc.login)
    assert 0 < len(found) <= MOST_SENSORS
    assert time.monotonic() - began < 16
    assert pool.state(healthy.login) is PowerState.ON


NONSENSE: dict[str, dict[str, Any]] = {
    "packets": {"garbage": True},
    "records": {"broken_records": True},
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_ends_in_an_error_or_in_entries_without_meaning(fleet: Fleet, pool: DriverPool, kind: str) -> None:
    bmc = fleet.one()
    _log(bmc, 3)
    bmc.fails(**NONSENSE[kind])
    kills = pool.kills
    for _ in range(3):
        for ask in (pool.sensors, lambda login: pool.log(login, LogMark("2", 5))):
            with suppress(PowerError):
                ask(bmc.login)
    assert pool.kills == kills
