"""The sensors of a system over Redfish: in its chassis' Thermal and Power, else in their Sensors (DSP0268)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from math import isfinite
from typing import Any

from backends.power.errors import Unsupported
from backends.power.monitoring import (
    MOST_SENSORS,
    NAME_LENGTH,
    SensorReading,
    SensorState,
    SensorUnit,
    Thresholds,
    numbered,
    printable,
)
from backends.power.redfish.documents import Json, has_link, linked, list_of, members, object_of, path_of

Get = Callable[[str], Awaitable[Json]]
"""Called with a path; returns the document. Power operations may come between two calls."""
READ_FOR = 14.0  # seconds; what is not read by then is left out
MOST_CHASSIS, MOST_PAGES = 8, 64
STATES = {"OK": SensorState.OK, "Warning": SensorState.WARNING, "Critical": SensorState.CRITICAL}
UNITS = {
    "Cel": SensorUnit.CELSIUS,
    "V": SensorUnit.VOLTS,
    "A": SensorUnit.AMPERES,
    "W": SensorUnit.WATTS,
    "RPM": SensorUnit.RPM,
    "{rev}/min": SensorUnit.RPM,
    "%": SensorUnit.PERCENT,
    "Percent": SensorUnit.PERCENT,
}
# Where a chassis lists sensors: (its link, the list, the name of the value, the unit).
LISTS = (
    ("Thermal", "Temperatures", "ReadingCelsius", "Cel"),
    ("Thermal", "Fans", "Reading", ""),
    ("Power", "Voltages", "ReadingVolts", "V"),
    ("Power", "PowerControl", "PowerConsumedWatts", "W"),
    ("Power", "PowerSupplies", "LastPowerOutputWatts", "W"),
)
LIMITS = (
    ("LowerThresholdCritical", "LowerThresholdFatal"),
    ("LowerThresholdNonCritical",),
    ("UpperThresholdNonCritical",),
    ("UpperThresholdCritical", "UpperThresholdFatal"),
)
SENSOR_LIMITS = (("LowerCritical", "LowerFatal"), ("LowerCaution",), ("UpperCaution",), ("UpperCritical", "UpperFatal"))


async def read_sensors(get: Get, system: Json) -> list[SensorReading]:
    """Return the sensors of a system's chassis. Raises Unsupported if they list none, PowerError."""
    until = asyncio.get_running_loop().time() + READ_FOR
    chassis = list_of(object_of(system.get("Links")).get("Chassis"))
    found: list[SensorReading] = []
    listed = False
    for path in members({"Members": chassis})[:MOST_CHASSIS]:
        document = await get(path)
        listed = listed or any(has_link(document, name) for name in ("Thermal", "Power", "Sensors"))
        async for reading in _of_chassis(get, document):
            found.append(reading)
            if len(found) == MOST_SENSORS or asyncio.get_running_loop().time() > until:
                return numbered(found)
    if not listed:
        raise Unsupported("The BMC lists no sensors")
    return numbered(found)


async def _of_chassis(get: Get, chassis: Json) -> AsyncIterator[SensorReading]:
    old = [name for name in ("Thermal", "Power") if has_link(chassis, name)]
    for name in old:
        document = await get(linked(chassis, name))
        for reading in _of_lists(name, document):
            yield reading
    if not old and has_link(chassis, "Sensors"):
        async for page in pages(get, linked(chassis, "Sensors")):
            for member in list_of(page.get("Members")):
                sensor = member if isinstance(member, dict) and "Reading" in member else await get(linked(member))
                if not _is_absent(sensor):
                    yield _sensor(sensor)


async def pages(get: Get, path: str) -> AsyncIterator[Json]:
    """Yield the pages of a collection, at most MOST_PAGES."""
    for _ in range(MOST_PAGES):
        page = await get(path)
        yield page
        if "Members@odata.nextLink" not in page:
            return
        path = path_of(page["Members@odata.nextLink"])


def _of_lists(link: str, document: Json) -> Iterator[SensorReading]:
    for of, name, value, unit in LISTS:
        for item in list_of(document.get(name)) if of == link else ():
            if isinstance(item, dict) and not _is_absent(item):
                yield _reading(item, item.get(value), unit or str(item.get("ReadingUnits")), item, LIMITS)


def _sensor(sensor: Json) -> SensorReading:
    limits = object_of(sensor.get("Thresholds"))
    plain = {name: object_of(limit).get("Reading") for name, limit in limits.items()}
    return _reading(sensor, sensor.get("Reading"), str(sensor.get("ReadingUnits")), plain, SENSOR_LIMITS)


def _reading(item: Json, value: Any, unit: str, limits: Json, names: tuple[tuple[str, ...], ...]) -> SensorReading:
    number, status = _number(value), _status(item)
    state = STATES.get(str(status.get("Health")), SensorState.UNKNOWN)
    if status.get("State", "Enabled") not in ("Enabled", "InTest") or (number is None and unit != "W"):
        number, state = None, SensorState.UNKNOWN
    found = [_limit(limits, either) for either in names]
    name = printable(str(item.get("Name") or item.get("FanName") or item.get("Id") or "sensor"), NAME_LENGTH)
    return SensorReading(name, UNITS.get(unit, SensorUnit.NONE), number, state, Thresholds(*found))


def _limit(limits: Json, names: tuple[str, ...]) -> float | None:
    known = [number for name in names if (number := _number(limits.get(name))) is not None]
    return known[0] if known else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number in JSON has as many digits as one likes
        return None
    return number if isfinite(number) else None


def _is_absent(item: Json) -> bool:
    return _status(item).get("State") == "Absent"


def _status(item: Json) -> Json:
    return object_of(item.get("Status"))
