"""What drivers report about a BMC's sensors and event log. Knows no protocol."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any

MOST_SENSORS = 512  # more sensors of one BMC are left out
LOG_PORTION = 256  # log entries in one answer; the caller asks for the next ones
NAME_LENGTH, MESSAGE_LENGTH = 64, 255  # characters; longer texts are cut


class SensorUnit(StrEnum):
    """What a sensor measures, in base units; NONE for states and for units that the product does not know."""

    CELSIUS = "celsius"
    VOLTS = "volts"
    AMPERES = "amperes"
    WATTS = "watts"
    RPM = "rpm"
    PERCENT = "percent"
    NONE = ""


class SensorState(StrEnum):
    """How a BMC judges a sensor; UNKNOWN if the BMC does not tell, or did not read the sensor."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of a sensor in its unit; None where the BMC has none. Beyond a warning limit comes the critical one.

    A BMC's limits for damage (IPMI: non-recoverable, Redfish: fatal) count as critical.
    """

    lower_critical: float | None = None
    lower_warning: float | None = None
    upper_warning: float | None = None
    upper_critical: float | None = None


@dataclass(frozen=True, slots=True)
class SensorReading:
    """One sensor as the BMC reports it. `name` is unique on its BMC (the driver numbers equal names: "Temp #2").

    `value` is None if the sensor has no number, was not read, or reported one that is not finite.
    """

    name: str
    unit: SensorUnit
    value: float | None
    state: SensorState
    thresholds: Thresholds = Thresholds()


@dataclass(frozen=True, slots=True)
class LogMark:
    """What identifies an entry of a BMC's log: its record id, and its time in ms since 1970 (UTC) or None."""

    record: str
    time: int | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a BMC's event log. `time` is None if the BMC's clock was not set when it was written.

    `severity` is what the BMC tells, else what its kind of event means. `message` is English, as the BMC words it.
    """

    record: str
    time: int | None
    sensor: str
    severity: SensorState
    message: str

    @property
    def mark(self) -> LogMark:
        """Return what identifies the entry."""
        return LogMark(self.record, self.time)


@dataclass(frozen=True, slots=True)
class LogPortion:
    """At most LOG_PORTION entries of a log, oldest first. `more`: the log has entries after the last of them."""

    entries: tuple[LogEntry, ...]
    more: bool


def printable(text: str, most: int) -> str:
    """Return a text of a BMC without control characters, cut to `most` characters."""
    return "".join(sign for sign in text if sign.isprintable()).strip()[:most]


def numbered(readings: Iterable[SensorReading]) -> list[SensorReading]:
    """Return the first MOST_SENSORS readings; the second of a name gets " #2" and so on."""
    seen: dict[str, int] = {}
    unique = []
    for reading in islice(readings, MOST_SENSORS):
        seen[reading.name] = number = seen.get(reading.name, 0) + 1
        suffix = f" #{number}" if number > 1 else ""
        unique.append(replace(reading, name=reading.name[: NAME_LENGTH - len(suffix)] + suffix))
    return unique


def parse_sensors(values: list[dict[str, Any]]) -> list[SensorReading]:
    """Return the readings that a driver process has sent as JSON."""
    return [
        SensorReading(
            value["name"],
            SensorUnit(value["unit"]),
            value["value"],
            SensorState(value["state"]),
            Thresholds(**value["thresholds"]),
        )
        for value in values
    ]


def parse_portion(value: dict[str, Any]) -> LogPortion:
    """Return the part of a log that a driver process has sent as JSON."""
    entries = (LogEntry(**{**entry, "severity": SensorState(entry["severity"])}) for entry in value["entries"])
    return LogPortion(tuple(entries), value["more"])
