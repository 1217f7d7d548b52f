"""The power driver for IPMI 2.0: sessions to BMCs in one event loop, where nothing waits without a limit."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from backends.power.driver import (
    BmcAddress,
    BmcBusy,
    BmcGarbage,
    BmcLogin,
    BmcSilent,
    BmcUnreachable,
    PowerCommand,
    PowerState,
    Unsupported,
)
from backends.power.ipmi import OPERATOR, SUITE_3, SUITE_17, IpmiSession
from backends.power.weak_auth import accepts_weak_auth

LOGIN_WAITS = (1.0, 2.0, 3.0)  # seconds without progress before the login starts anew, then BmcSilent
STATUS_WAITS = (0.7, 1.0)  # seconds before a question is repeated, then before the session counts as dead
CONTROL_WAIT = 3.0  # seconds for the answer to a control, which is never repeated
SESSION_REUSE = 45.0  # seconds; BMCs drop a session idle for 60 s (6.12.15)
CHASSIS, APP = 0x00, 0x06
CONTROLS = {PowerCommand.OFF: 0, PowerCommand.ON: 1, PowerCommand.RESET: 3, PowerCommand.SOFT: 5}
BUSY_CODES = (0xC0, 0xC3, 0xC4, 0xD0, 0xD1, 0xD2)


class _Wire(asyncio.DatagramProtocol):
    """A connected UDP socket to one BMC, so that nobody else can answer and a closed port is heard of at once."""

    def __init__(self, login: BmcLogin) -> None:
        self.login = login
        self.session: IpmiSession | None = None
        self.used = 0.0
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, login: BmcLogin) -> "_Wire":
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_datagram_endpoint(
                lambda: cls(login), remote_addr=(login.address.host, login.address.port)
            )
        except OSError as error:
            raise BmcUnreachable(f"BMC {login.address}: {error.strerror}") from None
        return wire

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if self.session:
            self.session.receive(data)

    def error_received(self, exc: Exception) -> None:
        if self.session:
            self.session.fail(BmcUnreachable(f"BMC {self.login.address}: {getattr(exc, 'strerror', exc)}"))

    def close(self) -> None:
        if self.session and self.session.logged:
            self.session.ask(APP, 0x3C, struct.pack("<I", self.session.sessionid)).cancel()
        if self._transport:
            self._transport.close()

    async def log_in(self) -> None:
        """Open a session by cipher suite 17, else 3."""
        try:
            await self._log_in(SUITE_17)
        except BmcGarbage:  # some BMCs offer suite 17 and answer it wrongly
            await self._log_in(SUITE_3)
        await self._ask(APP, 0x3B, bytes([OPERATOR]))

    async def _log_in(self, digest: int) -> None:
        for wait in LOGIN_WAITS:
            session = self.session = IpmiSession(self.login, self._send, digest)
            try:
                async with asyncio.timeout(wait) as limit:
                    session.progress = lambda limit=limit, wait=wait: _extend(limit, wait)  # type: ignore[misc]
                    session._get_channel_auth_cap()
                    await session.waiting
                    return
            except TimeoutError:
                silent = session.stage
        raise BmcSilent(f"BMC {self.login.address} is silent: {silent} never came")

    async def chassis_status(self) -> PowerState:
        """Ask for the power; the question changes nothing, so it may be repeated."""
        response = await self._ask(CHASSIS, 0x01)
        return PowerState.ON if response["data"][0] & 1 else PowerState.OFF

    async def _ask(self, netfn: int, command: int, data: bytes = b"") -> dict[str, Any]:
        for wait in STATUS_WAITS:
            try:
                async with asyncio.timeout(wait):
                    return self._require_done(await self._session_open().ask(netfn, command, data))
            except TimeoutError:
                continue
        raise BmcSilent(f"BMC {self.login.address} fell silent inside a session")

    async def send_once(self, command: PowerCommand) -> bool:
        """Send a chassis control, once whatever happens; False when no answer came in CONTROL_WAIT."""
        try:
            async with asyncio.timeout(CONTROL_WAIT):
                answer = await self._session_open().ask(CHASSIS, 0x02, bytes([CONTROLS[command]]))
        except (TimeoutError, BmcUnreachable, BmcGarbage):
            return False
        self._require_done(answer)
        return True

    def _require_done(self, response: dict[str, Any]) -> dict[str, Any]:
        code = response.get("code", 0)
        if code in BUSY_CODES:
            raise BmcBusy(f"BMC {self.login.address} is busy (completion code 0x{code:02X})")
        if code:
            raise Unsupported(f"BMC {self.login.address} refused the command (completion code 0x{code:02X})")
        self.used = asyncio.get_running_loop().time()
        return response

    def _session_open(self) -> IpmiSession:
        if self.session is None:
            raise BmcSilent(f"BMC {self.login.address}: no session")
        return self.session

    def _send(self, packet: bytes) -> None:
        if self._transport:
            self._transport.sendto(packet)


def _extend(limit: asyncio.Timeout, wait: float) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + wait)


class IpmiDriver:
    """The power driver for IPMI 2.0: one session per BMC, kept open between operations that run one at a time."""

    def __init__(self) -> None:
        self._wires: dict[BmcAddress, _Wire] = {}
        self._locks: dict[BmcAddress, asyncio.Lock] = {}

    async def state(self, login: BmcLogin) -> PowerState:
        async with self._lock(login):
            return (await self._look(login))[1]

    async def control(self, login: BmcLogin, command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
        """Send a control exactly once, inside a session that has just answered; False when its answer was lost."""
        if command not in CONTROLS:
            raise Unsupported(f"{command} is not one chassis control")
        async with self._lock(login):
            wire, _ = await self._look(login)
            await may_send()
            answered = await wire.send_once(command)
            if not answered:
                self._drop(login.address)
            return answered

    async def reconnect(self, login: BmcLogin) -> None:
        async with self._lock(login):
            self._drop(login.address)
            await self._connect(login)

    async def accepts_weak_auth(self, login: BmcLogin) -> bool:
        return await accepts_weak_auth(login)

    def close(self) -> None:
        """Log out everywhere, without waiting for answers."""
        for address in list(self._wires):
            self._drop(address)

    async def _look(self, login: BmcLogin) -> tuple[_Wire, PowerState]:
        wire = self._wires.get(login.address)
        fresh = asyncio.get_running_loop().time() - SESSION_REUSE
        if wire and wire.login == login and wire.used > fresh:
            try:
                return wire, await wire.chassis_status()
            except (BmcSilent, BmcUnreachable):  # the BMC restarted, or forgot us: one new login tells
                self._drop(login.address)
        wire = await self._connect(login)
        return wire, await wire.chassis_status()

    async def _connect(self, login: BmcLogin) -> _Wire:
        self._drop(login.address)
        wire = await _Wire.open(login)
        try:
            await wire.log_in()
        except BaseException:
            wire.close()
            raise
        self._wires[login.address] = wire
        return wire

    def _drop(self, address: BmcAddress) -> None:
        wire = self._wires.pop(address, None)
        if wire:
            wire.close()

    def _lock(self, login: BmcLogin) -> asyncio.Lock:
        return self._locks.setdefault(login.address, asyncio.Lock())
