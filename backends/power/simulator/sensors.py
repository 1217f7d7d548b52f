"""The sensors of a simulated BMC: their records (IPMI 2.0, chapter 43), readings and thresholds (chapter 35)."""

import os
import struct
from dataclasses import dataclass

CELSIUS, VOLTS, WATTS, RPM = 1, 4, 6, 18
TEMPERATURE, VOLTAGE, FAN, POWER_SUPPLY, OTHER = 1, 2, 4, 8, 11
OK, INVALID_COMMAND, ABSENT, TOO_LONG, LOST_RESERVATION = 0x00, 0xC1, 0xCB, 0xCA, 0xC5
PIECE = 16  # bytes
SCANNING, UNAVAILABLE = 0xC0, 0xE0


@dataclass(frozen=True, slots=True)
class SimulatedSensor:
    """A sensor: its raw value when all is well, and raw limits (lower critical, lower and upper warning, critical)."""

    name: str
    kind: int
    unit: int
    raw: int
    limits: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    factor: int = 1
    exponent: int = 0
    needs_power: bool = False

    @property
    def discrete(self) -> bool:
        """Whether it has states and no number."""
        return self.kind == POWER_SUPPLY

    @property
    def mask(self) -> int:
        """Return which limits can be read (35.9)."""
        low, lower, upper, high = (limit is not None for limit in self.limits)
        return lower << 0 | low << 1 | upper << 3 | high << 4

    def thresholds(self) -> bytes:
        """Return the limits as Get Sensor Thresholds does: mask, then the lower and the upper ones."""
        low, lower, upper, high = (limit or 0 for limit in self.limits)
        return bytes([self.mask, lower, low, 0, upper, high, 0])

    def record(self, number: int) -> bytes:
        """Return its full record (43.1), or its compact one (43.2) if it is discrete."""
        name = self.name.encode()
        head = bytes([0x20, 0, number, 7, number, 0x7F, 0 if self.discrete else 0x04, self.kind])
        if self.discrete:
            rest = bytes([0x6F]) + bytes(6) + bytes([0xC0, 0, 0, 0x01, 0]) + bytes(6)
            body = head + rest + bytes([0xC0 | len(name)]) + name
            return struct.pack("<HBBB", number, 0x51, 2, len(body)) + body
        low, lower, upper, high = (limit or 0 for limit in self.limits)
        formula = bytes([self.factor, 0, 0, 0, 0, (self.exponent & 0x0F) << 4])
        middle = bytes([0x01]) + bytes(4) + bytes([self.mask, self.mask]) + bytes([0, self.unit, 0, 0]) + formula
        marks = bytes([0, self.raw, 0, 0, 255, 0, 0, high, upper, 0, low, lower, 2, 2, 0, 0, 0])
        body = head + middle + marks + bytes([0xC0 | len(name)]) + name
        return struct.pack("<HBBB", number, 0x51, 1, len(body)) + body

    def reading(self, raw: int) -> bytes:
        """Return a reading (35.14) with the limits that it has reached, or the states of a discrete sensor."""
        if self.discrete:
            return bytes([0, SCANNING, raw & 0xFF, 0x80])
        low, lower, upper, high = self.limits
        reached = (lower is not None and raw <= lower) << 0 | (low is not None and raw <= low) << 1
        reached |= (upper is not None and raw >= upper) << 3 | (high is not None and raw >= high) << 4
        return bytes([raw, SCANNING, 0xC0 | reached])


SENSORS = (
    SimulatedSensor("CPU Temp", TEMPERATURE, CELSIUS, 48, (None, None, 85, 95), needs_power=True),
    SimulatedSensor("Inlet Temp", TEMPERATURE, CELSIUS, 23, (None, None, 40, 45)),
    SimulatedSensor("12V", VOLTAGE, VOLTS, 200, (180, 190, 210, 220), factor=6, exponent=-2),
    SimulatedSensor("Fan 1", FAN, RPM, 60, (10, 20, None, None), factor=100, needs_power=True),
    SimulatedSensor("Fan 2", FAN, RPM, 61, (10, 20, None, None), factor=100, needs_power=True),
    SimulatedSensor("Total Power", OTHER, WATTS, 75, factor=8),
    SimulatedSensor("PSU 1", POWER_SUPPLY, 0, 1),
    SimulatedSensor("PSU 2", POWER_SUPPLY, 0, 1),
)


class Sensors:
    """The sensors of one BMC; `values` are raw and may change at any moment."""

    def __init__(self) -> None:
        self.values = {sensor.name: sensor.raw for sensor in SENSORS}
        self._reservation = 1

    def read(self, command: int, data: bytes, *, on: bool) -> tuple[int, bytes]:
        """Return completion code and data of a request about one sensor."""
        if not 1 <= data[0] <= len(SENSORS):
            return ABSENT, b""
        sensor = SENSORS[data[0] - 1]
        if command == 0x2D and sensor.needs_power and not on:
            return OK, bytes([0, UNAVAILABLE, 0xC0])
        if command == 0x2D:
            return OK, sensor.reading(self.values[sensor.name])
        if command == 0x27 and not sensor.discrete:
            return OK, sensor.thresholds()
        return INVALID_COMMAND, b""

    def record(self, command: int, data: bytes, endless: bool, short: bool, broken: bool) -> tuple[int, bytes]:
        """Return completion code and data of a request about the list of records."""
        if command == 0x20:
            return OK, struct.pack("<BHHIIB", 0x51, len(SENSORS), 0, 1, 1, 0x02)
        if command == 0x22:
            self._reservation = self._reservation % 0xFFFF + 1
            return OK, struct.pack("<H", self._reservation)
        if command != 0x23:
            return INVALID_COMMAND, b""
        reservation, number, offset, count = struct.unpack("<HHBB", data[:6])
        if offset and reservation != self._reservation:
            return LOST_RESERVATION, b""
        if short and count > PIECE:
            return TOO_LONG, b""
        return self._piece(max(1, number), offset, count, endless, broken)

    def _piece(self, number: int, offset: int, count: int, endless: bool, broken: bool) -> tuple[int, bytes]:
        last = 0xFFFE if endless else len(SENSORS)
        if number > last:
            return ABSENT, b""
        record = SENSORS[(number - 1) % len(SENSORS)].record((number - 1) % len(SENSORS) + 1)
        if broken:
            record = os.urandom(len(record))
        following = number + 1 if number < last else 0xFFFF
        return OK, struct.pack("<H", following) + record[offset : offset + count]
