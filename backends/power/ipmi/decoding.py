"""Sensor records and log entries of IPMI 2.0, decoded with pyghmi's tables. Pure: only bytes and values."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pyghmi.ipmi.events import EventHandler
from pyghmi.ipmi.private import constants
from pyghmi.ipmi.sdr import TYPE_SENSOR, SDREntry

from backends.power.errors import BadPacket
from backends.power.monitoring import (
    MESSAGE_LENGTH,
    NAME_LENGTH,
    LogEntry,
    SensorReading,
    SensorState,
    SensorUnit,
    Thresholds,
    printable,
)

BMC_ADDRESS = 0x20  # sensors of other controllers (satellites) need bridged requests, which are not sent
UNSET_TIMES = 0x20000000  # seconds; smaller times count from the start of the BMC (IPMI 2.0, 37.1)
UNITS = {
    "°C": SensorUnit.CELSIUS,
    "°F": SensorUnit.CELSIUS,
    "K": SensorUnit.CELSIUS,
    "V": SensorUnit.VOLTS,
    "A": SensorUnit.AMPERES,
    "W": SensorUnit.WATTS,
    "RPM": SensorUnit.RPM,
    "% ": SensorUnit.PERCENT,
}
# What pyghmi raises for records and readings that make no sense.
UNDECODABLE = (ArithmeticError, AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError)
NO_LIMITS = Thresholds()
THRESHOLDS = ("lower_warning", "lower_critical", "lower_damage", "upper_warning", "upper_critical", "upper_damage")


@dataclass(frozen=True, slots=True)
class SensorRecord:
    """A sensor of a BMC (a record of type 1 or 2, chapter 43) with the thresholds it was read with."""

    entry: SDREntry
    limits: Thresholds = NO_LIMITS

    @classmethod
    def parse(cls, record: bytes) -> "SensorRecord | None":
        """Return the sensor of a record, None for a record of another kind. Raises BadPacket."""
        try:
            entry = SDREntry(bytearray(record), constants)
        except (*UNDECODABLE, struct.error):
            raise BadPacket("no sensor record") from None
        if entry.sdrtype != TYPE_SENSOR or not entry.readable or entry.sensor_owner != BMC_ADDRESS:
            return None
        return cls(entry)

    @property
    def number(self) -> int:
        """Return the number by which the sensor is read."""
        return int(self.entry.sensor_number)

    @property
    def lun(self) -> int:
        """Return the logical unit that has the sensor."""
        return int(self.entry.sensor_lun)

    @property
    def key(self) -> str:
        """Return what identifies the sensor in entries of the log."""
        return f"{self.entry.sensor_owner}.{self.number}.{self.lun}"

    @property
    def name(self) -> str:
        """Return the name, which other sensors may have too."""
        return printable(self.entry.sensor_name, NAME_LENGTH) or f"Sensor {self.number}"

    @property
    def has_thresholds(self) -> bool:
        """Whether it measures a number and has limits for it."""
        return bool(self.entry.reading_type == 1 and self.entry.rectype == 1)

    def with_thresholds(self, data: bytes) -> "SensorRecord":
        """Return the sensor with the answer to Get Sensor Thresholds (35.9): a mask, then six raw values."""
        raw = data[1:7] if len(data) >= 7 else b""
        found = {name: self._value(raw[bit]) for bit, name in enumerate(THRESHOLDS) if raw and data[0] & 1 << bit}
        limits = Thresholds(
            lower_critical=_either(found.get("lower_critical"), found.get("lower_damage")),
            lower_warning=found.get("lower_warning"),
            upper_warning=found.get("upper_warning"),
            upper_critical=_either(found.get("upper_critical"), found.get("upper_damage")),
        )
        return SensorRecord(self.entry, limits)

    def reading(self, data: bytes | None) -> SensorReading:
        """Return the reading of the answer to Get Sensor Reading (35.14); None: the BMC did not read it."""
        unit = UNITS.get(self.entry.unit_suffix, SensorUnit.NONE) if self.entry.rectype == 1 else SensorUnit.NONE
        unknown = SensorReading(self.name, unit, None, SensorState.UNKNOWN, self.limits)
        if data is None or len(data) < 2:
            return unknown
        try:
            decoded = self.entry.decode_sensor_reading(None, bytearray(data.ljust(4, b"\0")))
        except UNDECODABLE:
            return unknown
        if decoded.unavailable:
            return unknown
        return SensorReading(self.name, unit, self._in_base_units(decoded.value), _state(decoded.health), self.limits)

    def _value(self, raw: int) -> float | None:
        if self.entry.numeric_format in (1, 2) and raw > 127:  # one's and two's complement
            raw -= 255 if self.entry.numeric_format == 1 else 256
        try:
            return self._in_base_units(self.entry.decode_value(None, raw))
        except UNDECODABLE:
            return None

    def _in_base_units(self, value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        if self.entry.unit_suffix == "°F":
            value = (value - 32) / 1.8
        elif self.entry.unit_suffix == "K":
            value -= 273.15
        return round(value, 3)


def _either(first: float | None, second: float | None) -> float | None:
    return second if first is None else first


def _state(health: int) -> SensorState:
    """Return the state of pyghmi's health, a mask of warning (1), critical (2) and failed (4)."""
    return SensorState.CRITICAL if health & 6 else SensorState.WARNING if health & 1 else SensorState.OK


def _handler(sensors: Mapping[str, SensorRecord]) -> EventHandler:
    """Return pyghmi's decoder of log entries, which only needs the names of sensors and no BMC."""
    names = {key: SimpleNamespace(name=sensor.name) for key, sensor in sensors.items()}
    oem = SimpleNamespace(process_event=lambda *_: None)
    return EventHandler(
        SimpleNamespace(sensors=names), SimpleNamespace(get_event_constants=lambda: constants, _oem=oem)
    )


def parse_entry(record: bytes, sensors: Mapping[str, SensorRecord]) -> LogEntry:
    """Return the log entry of a SEL record (chapter 32); one that cannot be decoded has its bytes as message."""
    if len(record) < 16:
        raise BadPacket("short log entry")
    number, kind, seconds = struct.unpack_from("<HBI", record)
    try:
        event: dict[str, Any] = _handler(sensors)._sel_decode(bytes(record[:16]))
    except (*UNDECODABLE, struct.error):
        event = {}
    timed = kind < 0xE0 and UNSET_TIMES <= seconds < 0xFFFFFFFF
    sensor = event.get("component") or event.get("component_type") or ""
    if sensor.startswith("Sensor ") and event.get("component_type"):  # pyghmi's name for one without a record
        sensor = f"{event['component_type']} #{record[11]}"
    words = [event.get("event"), event.get("event_data")]
    message = ": ".join(str(word) for word in words if word) or f"record {bytes(record[2:16]).hex()}"
    return LogEntry(
        record=str(number),
        time=seconds * 1000 if timed else None,
        sensor=printable(sensor, NAME_LENGTH),
        severity=_state(event["severity"]) if "severity" in event else SensorState.UNKNOWN,
        message=printable(message, MESSAGE_LENGTH),
    )
