"""The sensors and the event log of a simulated Redfish BMC."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backends.power.redfish_simulator.documents import SYSTEM, V1, Json, collection, link, resource
from backends.power.redfish_simulator.faults import RedfishFaults

CHASSIS = f"{V1}/Chassis/1"
THERMAL, POWER, SENSORS = f"{CHASSIS}/Thermal", f"{CHASSIS}/Power", f"{CHASSIS}/Sensors"
LOGS = f"{SYSTEM}/LogServices"
SEL = f"{LOGS}/Sel"
ENTRIES, CLEAR = f"{SEL}/Entries", f"{SEL}/Actions/LogService.ClearLog"
UNITS = {"CPU Temp": "Cel", "Inlet Temp": "Cel", "Fan 1": "RPM", "12V": "V", "Total Power": "W"}
WARNING, CRITICAL = 85, 95  # °C
PAGE = 50  # log entries


@dataclass
class SimulatedSensors:
    """The values of sensors by name; one that is None cannot be read."""

    values: dict[str, float | None] = field(
        default_factory=lambda: {"CPU Temp": 45, "Inlet Temp": 24, "Fan 1": 6000, "12V": 12.1, "Total Power": 600}
    )

    def health(self, name: str) -> str:
        """Return how the BMC judges a sensor."""
        value = self.values[name] or 0
        if UNITS[name] != "Cel" or value < WARNING:
            return "OK"
        return "Warning" if value < CRITICAL else "Critical"

    def chassis(self, *, modern: bool) -> Json:
        """Return the chassis: a modern one lists its sensors one by one."""
        links = {"Sensors": link(SENSORS)} if modern else {"Thermal": link(THERMAL), "Power": link(POWER)}
        return resource(CHASSIS, "#Chassis.v1_14_0.Chassis", "Chassis", ChassisType="RackMount", **links)

    def thermal(self) -> Json:
        """Return temperatures and fans."""
        limits = {"UpperThresholdNonCritical": WARNING, "UpperThresholdCritical": CRITICAL}
        hot = [self._item(name, ReadingCelsius=self.values[name], **limits) for name in ("CPU Temp", "Inlet Temp")]
        fans = [self._item("Fan 1", Reading=self.values["Fan 1"], ReadingUnits="RPM")]
        absent = {"Name": "Fan 2", "Reading": None, "ReadingUnits": "RPM", "Status": {"State": "Absent"}}
        return resource(THERMAL, "#Thermal.v1_6_0.Thermal", "Thermal", Temperatures=hot, Fans=[*fans, absent])

    def power(self) -> Json:
        """Return voltages, the power drawn and the power supplies."""
        volts = [self._item("12V", ReadingVolts=self.values["12V"])]
        drawn = [self._item("Total Power", PowerConsumedWatts=self.values["Total Power"])]
        supply = {"Name": "PSU 1", "Status": {"State": "Enabled", "Health": "OK"}}
        kind = "#Power.v1_6_0.Power"
        return resource(POWER, kind, "Power", Voltages=volts, PowerControl=drawn, PowerSupplies=[supply])

    def paths(self) -> list[str]:
        """Return the paths of single sensors."""
        return [f"{SENSORS}/{number}" for number in range(len(UNITS))]

    def sensor(self, path: str) -> Json:
        """Return one sensor."""
        name = list(UNITS)[int(path.rsplit("/", 1)[-1])]
        hot = {"UpperCaution": {"Reading": WARNING}, "UpperCritical": {"Reading": CRITICAL}}
        limits = {"Thresholds": hot} if UNITS[name] == "Cel" else {}
        item = self._item(name, Reading=self.values[name], ReadingUnits=UNITS[name], **limits)
        return resource(path, "#Sensor.v1_2_0.Sensor", name) | item

    def _item(self, name: str, **fields: Any) -> Json:
        return {"Name": name, "Status": {"State": "Enabled", "Health": self.health(name)}, **fields}


@dataclass
class SimulatedLog:
    """An event log, oldest entry first."""

    records: list[Json] = field(default_factory=list)
    made: int = 0

    def add_events(self, count: int) -> None:
        """Add entries, a second from each other."""
        for _ in range(count):
            self.made += 1
            at = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.made)
            fields = {"EntryType": "SEL", "Severity": "Critical", "SensorType": "Temperature"}
            message = f"CPU Temp was above its limit, {self.made}"
            path, created = f"{ENTRIES}/{self.made}", at.isoformat()
            kind = "#LogEntry.v1_8_0.LogEntry"
            self.records.append(resource(path, kind, "Entry", Created=created, Message=message, **fields))

    def service(self) -> Json:
        """Return the log service."""
        actions = {"#LogService.ClearLog": {"target": CLEAR}}
        kind = "#LogService.v1_2_0.LogService"
        return resource(SEL, kind, "SEL", LogEntryType="SEL", Entries=link(ENTRIES), Actions=actions)

    def page(self, skip: int, size: int, *, newest_first: bool, restless: bool) -> Json:
        """Return a page of entries, with the link to the next one."""
        listed = self.records[::-1] if newest_first else self.records
        if restless:
            listed = [{**record, "Created": datetime.now(UTC).isoformat()} for record in listed]
        rest = {"Members@odata.nextLink": f"{ENTRIES}?$skip={skip + size}"} if skip + size < len(listed) else {}
        kind = "#LogEntryCollection.LogEntryCollection"
        found = listed[skip : skip + size]
        return resource(ENTRIES, kind, "Entries", Members=found, **{"Members@odata.count": len(listed)}, **rest)


def monitored(sensors: SimulatedSensors, log: SimulatedLog, faults: RedfishFaults, path: str) -> Json | None:
    """Return the document of a path about sensors or the log; None if there is none."""
    path, _, query = path.partition("?$skip=")
    known: dict[str, Callable[[], Json]] = {
        CHASSIS: lambda: sensors.chassis(modern=faults.modern),
        THERMAL: sensors.thermal,
        POWER: sensors.power,
        SENSORS: lambda: collection(SENSORS, "Sensor", sensors.paths()),
        LOGS: lambda: collection(LOGS, "LogService", [SEL]),
        SEL: log.service,
        ENTRIES: lambda: log.page(int(query or 0), PAGE, newest_first=faults.newest_first, restless=faults.restless),
        **{place: lambda: sensors.sensor(path) for place in sensors.paths()},
    }
    return known[path]() if path in known else None
