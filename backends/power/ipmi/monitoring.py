"""The sensors and the event log of one BMC over IPMI: short requests, between which power operations may come."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from backends.power.errors import BadPacket, BmcGarbage, PowerError, Unsupported
from backends.power.ipmi.decoding import SensorRecord, parse_entry
from backends.power.monitoring import (
    LOG_PORTION,
    LogEntry,
    LogMark,
    LogPortion,
    SensorReading,
    numbered,
)

Ask = Callable[[int, int, bytes, int], Awaitable[bytes]]
"""Called with netfn, command, data and LUN; returns the data of the response. Raises Refused, PowerError."""
SENSOR, STORAGE = 0x04, 0x0A
END = 0xFFFF  # as the next record: there is none; as a record to read: the last one
MOST_RECORDS = 1024  # of sensors; a list that never ends is given up here
READ_FOR = 14.0  # seconds; what is not read by then is unknown, or is read the next time
PIECE = 16  # bytes, if a BMC cannot send a whole record at once
TOO_LONG = (0xC7, 0xC8, 0xCA)
LOST_RESERVATION = 0xC5
CLEARED, CLEAR_POLLS, CLEAR_POLL = 1, 10, 0.5  # seconds
ABSENT = (0xC0, 0xC9, 0xCB, 0xCC, 0xCD, 0xD5, 0xFF)  # no such record or sensor, or not now


class Refused(Exception):
    """The BMC answered with a completion code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(f"completion code 0x{code:02X}")
        self.code = code


class BmcMonitor:
    """Reads one BMC. It keeps the sensor records, which change only with the BMC's firmware, and continues them."""

    def __init__(self, name: str, ask: Ask) -> None:
        self._name, self._ask = name, ask
        self._stamp = b""
        self._next = 0
        self._seen: set[int] = set()
        self._sensors: dict[str, SensorRecord] = {}
        self._whole = True

    async def sensors(self) -> list[SensorReading]:
        """Return the reading of every sensor; those that could not be read in READ_FOR seconds have no value."""
        until = asyncio.get_running_loop().time() + READ_FOR
        await self._load(until - READ_FOR / 2)
        return numbered([sensor.reading(await self._read(sensor, until)) for sensor in self._sensors.values()])

    async def _read(self, sensor: SensorRecord, until: float) -> bytes | None:
        if asyncio.get_running_loop().time() > until:
            return None
        try:
            return await self._ask(SENSOR, 0x2D, bytes([sensor.number]), sensor.lun)
        except Refused:
            return None

    async def _load(self, until: float) -> None:
        """Read the sensor records (33.9, 33.12) that are not known yet. Raises Unsupported if there is no list."""
        try:
            info = await self._ask(STORAGE, 0x20, b"", 0)
        except Refused as error:
            raise Unsupported(f"BMC {self._name} has no list of sensors ({error})") from None
        if info[:13] != self._stamp:
            self._stamp, self._next, self._seen, self._sensors = info[:13], 0, set(), {}
        while self._next != END and self._next not in self._seen and len(self._seen) < MOST_RECORDS:
            if asyncio.get_running_loop().time() > until:
                return
            try:
                following, record = await self._record(self._next)
            except Refused as error:
                raise BmcGarbage(f"BMC {self._name} did not return sensor record {self._next} ({error})") from None
            self._seen.add(self._next)
            await self._add(record)
            self._next = following

    async def _add(self, data: bytes) -> None:
        try:
            sensor = SensorRecord.parse(data)
        except BadPacket:
            return
        if sensor and sensor.has_thresholds:
            with suppress(Refused):
                sensor = sensor.with_thresholds(await self._ask(SENSOR, 0x27, bytes([sensor.number]), sensor.lun))
        if sensor:
            self._sensors.setdefault(sensor.key, sensor)

    async def _record(self, number: int) -> tuple[int, bytes]:
        """Return the number of the following record, and a record: at once if the BMC can, else in pieces."""
        if self._whole:
            try:
                return _following(await self._ask(STORAGE, 0x23, struct.pack("<HHBB", 0, number, 0, 0xFF), 0))
            except Refused as error:
                if error.code not in TOO_LONG:
                    raise
                self._whole = False
        reserved = (await self._ask(STORAGE, 0x22, b"", 0))[:2]
        following, data = await self._piece(reserved, number, 0, 5)
        length = 5 + (data[4] if len(data) == 5 else 0)
        while len(data) < length:
            _, more = await self._piece(reserved, number, len(data), min(PIECE, length - len(data)))
            data += more
        return following, data

    async def _piece(self, reserved: bytes, number: int, offset: int, count: int) -> tuple[int, bytes]:
        request = reserved + struct.pack("<HBB", number, offset, count)
        following, data = _following(await self._ask(STORAGE, 0x23, request, 0))
        if len(data) != count:
            raise BmcGarbage(f"BMC {self._name} sent a part of a sensor record of the wrong length")
        return following, data

    async def log(self, after: LogMark | None) -> LogPortion:
        """Return the entries that follow `after`, or the first ones if the log does not have it."""
        entries: list[LogEntry] = []
        until = asyncio.get_running_loop().time() + READ_FOR
        more = False
        async for number, entry in self._entries(await self._start(after)):
            entries.append(entry)
            more = number != END
            if len(entries) == LOG_PORTION or asyncio.get_running_loop().time() > until:
                break
        return LogPortion(tuple(entries), more)

    async def _start(self, after: LogMark | None) -> int:
        """Return the number of the record to begin with, END if there is none."""
        if not await self._count():
            return END
        if after and after.record.isdigit() and 0 < (number := int(after.record)) < END:
            try:
                following, entry = await self._entry(number)
            except Refused:
                return 0
            if entry.mark == after:
                return following
        return 0

    async def _entries(self, number: int) -> AsyncIterator[tuple[int, LogEntry]]:
        """Yield entries, each with the number of the following one, until the end or a number comes again."""
        seen: set[int] = set()
        while number != END and number not in seen:
            seen.add(number)
            try:
                number, entry = await self._entry(number)
            except Refused as error:
                if error.code in ABSENT:  # it was deleted meanwhile
                    return
                raise BmcGarbage(f"BMC {self._name} did not return log entry {number} ({error})") from None
            yield number, entry

    async def _entry(self, number: int) -> tuple[int, LogEntry]:
        """Return the number of the following entry, and an entry (Get SEL Entry, 31.5)."""
        following, data = _following(await self._ask(STORAGE, 0x43, struct.pack("<HHBB", 0, number, 0, 0xFF), 0))
        try:
            return following, parse_entry(data, self._sensors)
        except BadPacket:
            raise BmcGarbage(f"BMC {self._name} sent a log entry that is too short") from None

    async def _count(self) -> int:
        try:
            info = await self._ask(STORAGE, 0x40, b"", 0)
        except Refused as error:
            raise Unsupported(f"BMC {self._name} has no event log ({error})") from None
        return int.from_bytes(info[1:3], "little")

    async def clear(self, last: LogMark | None) -> bool:
        """Clear the log under a reservation (31.4, 31.9), which a new entry cancels. Return False if it has more."""
        try:
            reserved = (await self._ask(STORAGE, 0x42, b"", 0))[:2]
            if not await self._count():
                return True
            if (await self._entry(END))[1].mark != last:
                return False
            return await self._erase(reserved)
        except Refused as error:
            if error.code == LOST_RESERVATION:
                return False
            raise Unsupported(f"BMC {self._name} did not clear its event log ({error})") from None

    async def _erase(self, reserved: bytes) -> bool:
        done = (await self._ask(STORAGE, 0x47, reserved + b"CLR\xaa", 0))[:1]
        for _ in range(CLEAR_POLLS):
            if done and done[0] & 0x0F == CLEARED:
                return True
            await asyncio.sleep(CLEAR_POLL)
            done = (await self._ask(STORAGE, 0x47, reserved + b"CLR\x00", 0))[:1]
        raise PowerError(f"BMC {self._name} has not finished clearing its event log")


def _following(data: bytes) -> tuple[int, bytes]:
    if len(data) < 2:
        raise BmcGarbage("a BMC sent an empty record")
    return int.from_bytes(data[:2], "little"), data[2:]
