"""One simulated BMC that speaks real RMCP+ (IPMI 2.0 rev. 1.1, cipher suites 3 and 17) over UDP."""

import asyncio
import hmac
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from backends.power.driver import BmcAddress, PowerState
from backends.power.errors import BadPacket
from backends.power.ipmi import rmcp
from backends.power.ipmi.rmcp import SUITE_0, SUITE_3, SUITE_17, Keys, Message, Suite
from backends.power.simulator.chassis import Chassis
from backends.power.simulator.event_log import EventLog
from backends.power.simulator.sensors import Sensors

SESSION_IDLE = 60.0  # seconds (6.12.15)
NO_RESOURCES, INVALID_SESSION, UNKNOWN_NAME, BAD_SIGNATURE, NO_SUITE = 0x01, 0x02, 0x0D, 0x0F, 0x11
INVALID_COMMAND, NODE_BUSY, TIMED_OUT = 0xC1, 0xC0, 0xC3
ADMINISTRATOR = 4
APP = 0x06
DEVICE_ID = bytes.fromhex("2081010002df5709000100")

OnPower = Callable[["SimulatedBmc", PowerState], None]


@dataclass
class Faults:
    """The faults of a BMC; they may change at any moment."""

    black_hole: bool = False
    silent_at: str = ""  # "open", "rakp2" or "rakp4": the answer of a login that is never sent
    late: float = 0.0  # seconds before each answer
    lost_replies: int = 0  # how many answers to chassis controls are not sent, though the control is executed
    ignores_commands: bool = False  # answers, but executes nothing
    sessions_full: bool = False
    busy: bool = False
    times_out: bool = False  # executes, but answers that the response is not available
    garbage: bool = False
    weak_auth: bool = False  # accepts a login without a password (cipher suite 0)
    endless_sensors: bool = False  # the list of sensor records never ends
    short_records: bool = False  # sensor records come in pieces of at most 16 bytes
    broken_records: bool = False  # sensor records and log entries are random bytes


@dataclass
class SimulatedSession:
    """A login under way or done; `keys` is None with cipher suite 0."""

    console: int
    suite: Suite
    challenge: bytes = b""
    answer: bytes = b""
    tail: bytes = b""
    keys: Keys | None = None
    active: bool = False
    received: int = 0
    sent: int = 0
    used_at: float = field(default_factory=time.monotonic)


class SimulatedBmc(asyncio.DatagramProtocol):
    """One BMC on one UDP port, with the chassis behind it."""

    def __init__(
        self,
        user: bytes,
        password: bytes,
        *,
        state: PowerState = PowerState.ON,
        delay: float = 0.0,
        on_power: OnPower | None = None,
        max_sessions: int = 8,
    ) -> None:
        self.user, self.password = user, password
        self.max_sessions = max_sessions
        self.suites: tuple[Suite, ...] = (SUITE_3, SUITE_17)
        self.faults = Faults()
        self.guid = os.urandom(16)
        self.address = BmcAddress("127.0.0.1", 0)  # where it listens; port 0 before it does
        self.chassis = Chassis(state, delay, lambda new: on_power(self, new) if on_power else None)
        self.sensors, self.log = Sensors(), EventLog()
        self.logins = 0
        self._sessions: dict[int, SimulatedSession] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.address = BmcAddress(*transport.get_extra_info("sockname")[:2])

    @property
    def sessions(self) -> int:
        """Return how many logins are open or under way."""
        return len(self._sessions)

    def close(self) -> None:
        """Stop listening."""
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.faults.black_hole:
            return
        try:
            answer = self._answer(data)
        except (BadPacket, struct.error, IndexError):
            return
        if answer is None:
            return
        if self.faults.garbage:
            answer = os.urandom(len(answer))
        if self.faults.late:
            asyncio.get_running_loop().call_later(self.faults.late, self._send, answer, addr)
        else:
            self._send(answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(answer, addr)

    def _answer(self, data: bytes) -> bytes | None:
        if data[:1] == rmcp.RMCP[:1] and data[3:5] == b"\x07\x00":
            return self._without_session(rmcp.parse_message(data[14 : 14 + data[13]]))
        packet = rmcp.parse(data)
        if packet.kind == rmcp.OPEN:
            return self._open(packet.payload)
        if packet.kind == rmcp.RAKP1:
            return self._rakp1(packet.payload)
        if packet.kind == rmcp.RAKP3:
            return self._rakp3(packet.payload)
        return self._in_session(packet) if packet.kind == rmcp.IPMI else None

    # Requests without a session (22.13, 22.15).

    def _without_session(self, message: Message) -> bytes | None:
        if (message.netfn, message.command) == (APP, 0x38):
            anonymous = 0x01 if self.faults.weak_auth else 0x00
            return rmcp.legacy(rmcp.response(message, 0, bytes([1, 0x80, 0x04 | anonymous, 0x02, 0, 0, 0, 0])))
        if (message.netfn, message.command) == (APP, 0x54):
            return rmcp.legacy(rmcp.response(message, 0, b"\x01" + self._suite_records(message.data)))
        return rmcp.legacy(rmcp.response(message, INVALID_COMMAND))

    def _suite_records(self, request: bytes) -> bytes:
        records = b""
        for suite in (*self.suites, *([SUITE_0] if self.faults.weak_auth else [])):
            authentication, integrity, confidentiality = suite.algorithms
            records += bytes([0xC0, suite.number, authentication, 0x40 | integrity, 0x80 | confidentiality])
        start = 16 * (request[2] & 0x3F)
        return records[start : start + 16]

    # The login: open session, RAKP 1 to 4 (13.17 to 13.23).

    def _open(self, payload: bytes) -> bytes | None:
        if self.faults.silent_at == "open":
            return None
        tag, privilege, console = struct.unpack_from("<BBxxI", payload)
        algorithms = (payload[12], payload[20], payload[28])
        offered = (*self.suites, *([SUITE_0] if self.faults.weak_auth else []))
        suite = next((suite for suite in offered if suite.algorithms == algorithms), None)
        if suite is None:
            return rmcp.plain(rmcp.OPENED, struct.pack("<BBBxI", tag, NO_SUITE, 0, console))
        if self.faults.sessions_full or not self._free_session():
            return rmcp.plain(rmcp.OPENED, struct.pack("<BBBxI", tag, NO_RESOURCES, 0, console))
        number = struct.unpack("<I", os.urandom(4))[0] | 1
        self._sessions[number] = SimulatedSession(console, suite)
        head = struct.pack("<BBBxII", tag, 0, privilege or ADMINISTRATOR, console, number)
        return rmcp.plain(rmcp.OPENED, head + rmcp.suite_proposal(suite))

    def _free_session(self) -> bool:
        """Drop idle sessions and, if need be, the oldest unfinished login; return whether a session is free."""
        now = time.monotonic()
        for number, session in list(self._sessions.items()):
            if now - session.used_at > (SESSION_IDLE if session.active else 5):
                del self._sessions[number]
        waiting = [number for number, session in self._sessions.items() if not session.active]
        if len(self._sessions) >= self.max_sessions and waiting:
            del self._sessions[waiting[0]]
        return len(self._sessions) < self.max_sessions

    def _rakp1(self, payload: bytes) -> bytes | None:
        if self.faults.silent_at == "rakp2":
            return None
        tag, number = payload[0], struct.unpack_from("<I", payload, 4)[0]
        session = self._sessions.get(number)
        if session is None or session.active:
            return self._refuse(rmcp.RAKP2, tag, INVALID_SESSION, 0)
        role, length = payload[24], payload[27]
        name = payload[28 : 28 + length]
        if name != self.user and session.suite is not SUITE_0:
            return self._refuse(rmcp.RAKP2, tag, UNKNOWN_NAME, session.console)
        session.challenge, session.answer = payload[8:24], os.urandom(16)
        session.tail = bytes([role, length]) + name
        ids = struct.pack("<II", session.console, number)
        code = self._hash(session, ids + session.challenge + session.answer + self.guid + session.tail)
        head = struct.pack("<BBxxI", tag, 0, session.console)
        return rmcp.plain(rmcp.RAKP2, head + session.answer + self.guid + code)

    def _rakp3(self, payload: bytes) -> bytes | None:
        if self.faults.silent_at == "rakp4":
            return None
        tag, number = payload[0], struct.unpack_from("<I", payload, 4)[0]
        session = self._sessions.get(number)
        if session is None or session.active or not session.answer:
            return self._refuse(rmcp.RAKP4, tag, INVALID_SESSION, 0)
        expected = self._hash(session, session.answer + struct.pack("<I", session.console) + session.tail)
        if not hmac.compare_digest(payload[8:], expected):
            del self._sessions[number]
            return self._refuse(rmcp.RAKP4, tag, BAD_SIGNATURE, session.console)
        session.active, session.used_at = True, time.monotonic()
        self.logins += 1
        head = struct.pack("<BBxxI", tag, 0, session.console)
        if session.suite is SUITE_0:
            return rmcp.plain(rmcp.RAKP4, head)
        session.keys = Keys.of(session.suite, self.password, session.challenge + session.answer + session.tail)
        signed = session.challenge + struct.pack("<I", number) + self.guid
        signature = hmac.digest(session.keys.sik, signed, session.suite.digest)[: session.suite.signature]
        return rmcp.plain(rmcp.RAKP4, head + signature)

    def _hash(self, session: SimulatedSession, data: bytes) -> bytes:
        return hmac.digest(self.password, data, session.suite.digest) if session.suite.digest else b""

    def _refuse(self, kind: int, tag: int, status: int, console: int) -> bytes:
        return rmcp.plain(kind, struct.pack("<BBxxI", tag, status, console))

    # Requests in a session.

    def _in_session(self, packet: rmcp.Packet) -> bytes | None:
        session = self._sessions.get(packet.session)
        if session is None or not session.active or packet.sequence <= session.received:
            return None
        message = rmcp.parse_message(rmcp.unseal(session.keys, packet) if session.keys else packet.payload)
        session.received, session.used_at = packet.sequence, time.monotonic()
        answer = self._command(packet.session, message)
        if answer is None:
            return None
        session.sent += 1
        if session.keys:
            return rmcp.seal(session.keys, session.console, session.sent, answer)
        return rmcp.plain(rmcp.IPMI, answer, session.console, session.sent)

    def _command(self, number: int, message: Message) -> bytes | None:
        match message.netfn, message.command:
            case (0x00, 0x01):  # Get Chassis Status (28.2)
                return rmcp.response(message, 0, bytes([self.chassis.state is PowerState.ON, 0, 0]))
            case (0x00, 0x02):  # Chassis Control (28.3)
                return self._control(message)
            case (0x06, 0x3C):  # Close Session (22.19)
                return self._close_session(number, message)
        if message.netfn in (0x04, 0x0A):
            code, data = self._monitor(message)
            return rmcp.response(message, code, data)
        known = {0x01: DEVICE_ID, 0x37: self.guid, 0x3B: message.data[:1]}  # 20.1, 22.14, 22.18
        if message.netfn == APP and message.command in known:
            return rmcp.response(message, 0, known[message.command])
        return rmcp.response(message, INVALID_COMMAND)

    def _monitor(self, message: Message) -> tuple[int, bytes]:
        """Return the completion code and data of a request about sensors or the log."""
        if message.netfn == 0x0A and message.command >= 0x40:
            return self.log.answer(message.command, message.data, broken=self.faults.broken_records)
        if message.netfn == 0x0A:
            faults = self.faults
            kinds = (faults.endless_sensors, faults.short_records, faults.broken_records)
            return self.sensors.record(message.command, message.data, *kinds)
        return self.sensors.read(message.command, message.data, on=self.chassis.state is PowerState.ON)

    def _close_session(self, number: int, message: Message) -> bytes:
        self._sessions.pop(number, None)
        return rmcp.response(message, 0)

    def _control(self, message: Message) -> bytes | None:
        if self.faults.busy:
            return rmcp.response(message, NODE_BUSY)
        code = 0 if self.faults.ignores_commands else self.chassis.control(message.data[0] & 0x0F)
        if self.faults.times_out:
            return rmcp.response(message, TIMED_OUT)
        if self.faults.lost_replies > 0:
            self.faults.lost_replies -= 1
            return None
        return rmcp.response(message, code)
