"""Sensors and event logs over Redfish: the same readings and entries whatever way a BMC lists them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from backends.power.driver import PowerCommand
from backends.power.errors import PowerError, Unsupported
from backends.power.monitoring import LOG_PORTION, LogMark, SensorReading, SensorState, SensorUnit, Thresholds
from backends.power.pool import DriverPool
from backends.power.redfish.documents import offered_types, task_ended
from backends.power.redfish.log import clear_action, entry_of, find_log, read_log
from backends.power.redfish.sensors import read_sensors
from tests.backends.power.bmcs import Bmc, Fleet

OK, UNKNOWN = SensorState.OK, SensorState.UNKNOWN
HOT = Thresholds(upper_warning=85.0, upper_critical=95.0)


def set_sensor(bmc: Bmc, name: str, value: float | None) -> None:
    bmc.fleet.request({"do": "sensor", "bmc": bmc.index, "name": name, "raw": value})


def add_events(bmc: Bmc, count: int) -> None:
    bmc.fleet.request({"do": "log", "bmc": bmc.index, "count": count})


@pytest.mark.parametrize("modern", [False, True], ids=["Thermal and Power", "Sensors"])
def test_sensors_have_values_units_states_and_thresholds(redfish: Fleet, pool: DriverPool, modern: bool) -> None:
    bmc = redfish.one().fails(modern=modern)
    set_sensor(bmc, "CPU Temp", 97)
    set_sensor(bmc, "Fan 1", None)
    found = {reading.name: reading for reading in pool.sensors(bmc.login)}
    supplies = {} if modern else {"PSU 1": SensorReading("PSU 1", SensorUnit.WATTS, None, OK)}
    assert found == {
        "CPU Temp": SensorReading("CPU Temp", SensorUnit.CELSIUS, 97.0, SensorState.CRITICAL, HOT),
        "Inlet Temp": SensorReading("Inlet Temp", SensorUnit.CELSIUS, 24.0, OK, HOT),
        "Fan 1": SensorReading("Fan 1", SensorUnit.RPM, None, UNKNOWN),
        "12V": SensorReading("12V", SensorUnit.VOLTS, 12.1, OK),
        "Total Power": SensorReading("Total Power", SensorUnit.WATTS, 600.0, OK),
        **supplies,
    }
    assert bmc.logins() == 1


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_a_log_is_read_in_portions_over_its_pages(redfish: Fleet, pool: DriverPool, newest_first: bool) -> None:
    bmc = redfish.one().fails(newest_first=newest_first)
    assert (pool.log(bmc.login, None).entries, pool.clear_log(bmc.login, None)) == ((), True)
    add_events(bmc, LOG_PORTION + 20)
    first = pool.log(bmc.login, None)
    assert [entry.record for entry in first.entries] == [str(number) for number in range(1, LOG_PORTION + 1)]
    rest = pool.log(bmc.login, first.entries[-1].mark)
    assert (first.more, len(rest.entries), rest.more) == (True, 20, False)
    last = rest.entries[-1]
    at = datetime(2030, 1, 1, 0, 4, 36, tzinfo=UTC)
    assert (last.record, last.time, last.sensor) == ("276", int(at.timestamp() * 1000), "Temperature")
    assert (last.severity, last.message) == (SensorState.CRITICAL, "CPU Temp was above its limit, 276")
    assert pool.log(bmc.login, last.mark).entries == ()
    assert pool.log(bmc.login, LogMark("276", None)).entries == first.entries  # not this log any more


def test_a_log_is_cleared_only_when_its_last_entry_is_known(redfish: Fleet, pool: DriverPool) -> None:
    bmc = redfish.one()
    add_events(bmc, 3)
    second, third = pool.log(bmc.login, None).entries[1:]
    assert pool.clear_log(bmc.login, second.mark) is False
    assert pool.clear_log(bmc.login, None) is False
    assert len(pool.log(bmc.login, None).entries) == 3
    assert pool.clear_log(bmc.login, third.mark) is True
    assert pool.log(bmc.login, third.mark).entries == ()
    assert pool.control(bmc.login, PowerCommand.RESET, lambda: None) is True


def test_a_bmc_that_answers_nonsense_is_garbage(redfish: Fleet, pool: DriverPool) -> None:
    bmc = redfish.one()
    pool.sensors(bmc.login)
    bmc.fails(no_json=True)
    for read in (pool.sensors, lambda login: pool.log(login, None)):
        with pytest.raises(PowerError) as caught:
            read(bmc.login)
        assert caught.value.code == "BMC_GARBAGE"


TIMES = {
    "2030-01-01T00:00:00Z": 1893456000000,
    "2030-01-01T09:00:00+09:00": 1893456000000,
    "2030-01-01T00:00:00": 1893456000000,
    "1970-01-01T00:00:12Z": None,  # a clock that was not set
    "yesterday": None,
    None: None,
}


@pytest.mark.parametrize("created", TIMES)
def test_the_time_of_an_entry(created: str | None) -> None:
    entry = entry_of({"Id": 7, "Created": created, "Severity": "Bad", "Message": "a\x00b" + "c" * 300})
    assert entry.time == TIMES[created]
    assert (entry.record, entry.severity, entry.message[:3], len(entry.message)) == ("7", UNKNOWN, "abc", 255)


def documents(path: str) -> Callable[[str], Any]:
    """Return a reader of documents of which each says something that no standard knows."""
    odd = {"@odata.id": path}
    known: dict[str, Any] = {
        "/chassis": {"Thermal": odd, "Sensors": odd},
        "/thermal": {
            "Temperatures": [{"Name": "CPU", "ReadingCelsius": 10**400}, {"Name": "Inlet", "ReadingCelsius": 24}],
            "Fans": {"Name": "Fan"},
        },
        "/sensors": {"Members": 7},
        "/entries": {"Members": [{"Id": "\u00b2"}, {"Id": "\u00b9"}]},
    }

    async def get(path: str) -> Any:
        return known[path]

    return get


def test_what_no_standard_knows_hides_nothing_else() -> None:
    system = {"Links": {"Chassis": [{"@odata.id": "/chassis"}], "ManagedBy": 5}}
    cpu, inlet = asyncio.run(read_sensors(documents("/thermal"), system))
    assert (cpu.value, cpu.state, inlet.name, inlet.value) == (None, UNKNOWN, "Inlet", 24.0)
    portion = asyncio.run(read_log(documents("/entries"), {"Entries": {"@odata.id": "/entries"}}, None))
    assert [entry.record for entry in portion.entries] == ["\u00b2", "\u00b9"]
    oddities: list[dict[str, Any]] = [system, {"Links": []}]
    for odd in oddities:
        with pytest.raises(Unsupported, match="The BMC has no event log"):
            asyncio.run(find_log(documents("/thermal"), odd))
    with pytest.raises(Unsupported):
        clear_action({"Actions": "none"})
    assert offered_types({}, {"Parameters": 5}) is None
    assert task_ended({"TaskState": ["Running"]}) is False
