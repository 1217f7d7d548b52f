"""The power driver for IPMI 2.0: sessions to BMCs in one event loop, with a timeout for every wait."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import BmcSilent, BmcUnreachable, Unsupported
from backends.power.ipmi.monitoring import BmcMonitor, Refused
from backends.power.ipmi.weak_auth import accepts_weak_auth
from backends.power.ipmi.wire import CONTROLS, Wire
from backends.power.login import BmcLogin
from backends.power.monitoring import LogMark, LogPortion, SensorReading

T = TypeVar("T")
MOST_MONITORS = 2_000  # BMCs whose sensor records a process keeps, some 100 KB each
SESSION_REUSE = 45.0  # seconds; BMCs drop a session idle for 60 s (6.12.15)


class IpmiDriver:
    """The power driver for IPMI 2.0. The session of a BMC stays open; its operations run one at a time."""

    def __init__(self) -> None:
        self._wires: dict[BmcAddress, Wire] = {}
        self._locks: dict[BmcAddress, asyncio.Lock] = {}
        self._monitors: dict[BmcLogin, BmcMonitor] = {}

    async def state(self, login: BmcLogin) -> PowerState:
        """Return the power state that the BMC reports."""
        async with self._lock(login):
            return (await self._in_session(login, Wire.chassis_status))[1]

    async def control(self, login: BmcLogin, command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
        """Send a control exactly once, in a session that has just answered; return False when no answer came."""
        if command not in CONTROLS:
            raise Unsupported(f"{command} is not one chassis control")
        async with self._lock(login):
            wire, _ = await self._in_session(login, Wire.chassis_status)
            await may_send()
            answered = await wire.send_once(command)
            if not answered:
                self._drop(login.address)
            return answered

    async def reconnect(self, login: BmcLogin) -> None:
        """Close the open session and log in anew."""
        async with self._lock(login):
            self._drop(login.address)
            await self._connect(login)

    async def accepts_weak_auth(self, login: BmcLogin) -> bool:
        """Whether the BMC accepts commands without a password."""
        return await accepts_weak_auth(login)

    async def sensors(self, login: BmcLogin) -> list[SensorReading]:
        """Return the sensors of the BMC, of which it keeps the records."""
        return await self._monitor(login).sensors()

    async def log(self, login: BmcLogin, after: LogMark | None) -> LogPortion:
        """Return the log entries that follow `after`, or the first ones."""
        return await self._monitor(login).log(after)

    async def clear_log(self, login: BmcLogin, last: LogMark | None) -> bool:
        """Clear the log if `last` is its last entry."""
        return await self._monitor(login).clear(last)

    def _monitor(self, login: BmcLogin) -> BmcMonitor:
        monitor = self._monitors.get(login)
        if monitor is None:
            monitor = self._monitors[login] = BmcMonitor(str(login.address), partial(self._request, login))
            if len(self._monitors) > MOST_MONITORS:
                del self._monitors[next(iter(self._monitors))]
        return monitor

    async def _request(self, login: BmcLogin, netfn: int, command: int, data: bytes, lun: int) -> bytes:
        """Return the data of the response to one request, between other operations on the BMC. Raises Refused."""
        async with self._lock(login):
            _, response = await self._in_session(login, lambda wire: wire.request(netfn, command, data, lun))
        if code := response.get("code", 0):
            raise Refused(code)
        return bytes(response["data"])

    def close(self) -> None:
        """Log out of every BMC, without waiting for answers."""
        for address in list(self._wires):
            self._drop(address)

    async def _in_session(self, login: BmcLogin, act: Callable[[Wire], Awaitable[T]]) -> tuple[Wire, T]:
        """Return an open session and the result of `act` in it. The caller has the BMC's lock."""
        wire = self._wires.get(login.address)
        fresh = asyncio.get_running_loop().time() - SESSION_REUSE
        if wire and wire.login == login and wire.used > fresh:
            try:
                return wire, await act(wire)
            except (BmcSilent, BmcUnreachable):  # the BMC restarted or dropped the session: log in once more
                self._drop(login.address)
        wire = await self._connect(login)
        return wire, await act(wire)

    async def _connect(self, login: BmcLogin) -> Wire:
        self._drop(login.address)
        wire = await Wire.open(login)
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


def open_driver() -> IpmiDriver:
    """Return a driver that has no session open."""
    return IpmiDriver()
