"""The event log (SEL) of a simulated BMC (IPMI 2.0, chapters 31 and 32)."""

import os
import struct
import time

OK, INVALID_COMMAND, ABSENT, LOST_RESERVATION = 0x00, 0xC1, 0xCB, 0xC5
FIRST, LAST = 0x0000, 0xFFFF
# Sensor type, number, event type and offset of events: CPU too hot, and no longer; a power supply lost its input.
EVENTS = ((1, 1, 0x01, 9), (1, 1, 0x81, 9), (8, 7, 0x6F, 3))


class EventLog:
    """The records of a log by number; clearing begins at number 1 again."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self._cleared_at = 0
        self._reservation = 0
        self._valid = False  # whether the reservation holds: a new entry ends it

    def add(self, body: bytes) -> int:
        """Add a record, given without its number; return the number."""
        number = max(self.records, default=0) + 1
        self.records[number] = struct.pack("<H", number) + body
        self._valid = False
        return number

    def add_events(self, count: int) -> None:
        """Add entries of different kinds, one after the other."""
        for place in range(count):
            kind, sensor, event, offset = EVENTS[place % len(EVENTS)]
            now = int(time.time())
            self.add(struct.pack("<BIHBBBBBBB", 2, now, 0x20, 4, kind, sensor, event, offset, 0xFF, 0xFF))

    def answer(self, command: int, data: bytes, *, broken: bool = False) -> tuple[int, bytes]:
        """Return completion code and data of a request."""
        if command == 0x40:
            return OK, struct.pack("<BHHIIB", 0x51, len(self.records), 16, self._added_at(), self._cleared_at, 0x02)
        if command == 0x42:
            self._reservation, self._valid = self._reservation % 0xFFFF + 1, True
            return OK, struct.pack("<H", self._reservation)
        if command == 0x43:
            return self._entry(struct.unpack_from("<H", data, 2)[0], broken)
        if command == 0x44:
            return OK, struct.pack("<H", self.add(data[2:16]))
        if command == 0x47:
            return self._clear(struct.unpack_from("<H", data)[0])
        return (OK, struct.pack("<I", int(time.time()))) if command == 0x48 else (INVALID_COMMAND, b"")

    def _added_at(self) -> int:
        return int(struct.unpack_from("<I", next(reversed(self.records.values())), 3)[0]) if self.records else 0

    def _entry(self, number: int, broken: bool) -> tuple[int, bytes]:
        if number == FIRST:
            number = next(iter(self.records), 0)
        elif number == LAST:
            number = next(reversed(self.records), 0)
        if number not in self.records:
            return ABSENT, b""
        record = os.urandom(16) if broken else self.records[number]
        following = number + 1 if number + 1 in self.records else LAST
        return OK, struct.pack("<H", following) + record

    def _clear(self, reservation: int) -> tuple[int, bytes]:
        if not self._valid or reservation != self._reservation:
            return LOST_RESERVATION, b""
        self.records.clear()
        self._cleared_at = int(time.time())
        return OK, b"\x01"
