"""The power driver for Redfish: one session and one connection for each BMC, in one event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import BmcBusy, Unsupported
from backends.power.login import BmcLogin
from backends.power.monitoring import LogMark, LogPortion, SensorReading
from backends.power.redfish.client import RedfishClient
from backends.power.redfish.control import clear, reset
from backends.power.redfish.documents import RESET_TYPES, Json, linked, path_of, power_state
from backends.power.redfish.log import clear_action, find_log, read_log
from backends.power.redfish.sensors import Get, read_sensors

MOST_KEPT = 2048  # connections that a process keeps open; beyond, one is closed after its operation


class RedfishDriver:
    """The power driver for Redfish. The session of a BMC stays open; its operations run one at a time."""

    def __init__(self) -> None:
        self._clients: dict[BmcAddress, RedfishClient] = {}
        self._locks: dict[BmcAddress, asyncio.Lock] = {}
        self._connected: set[BmcAddress] = set()

    async def state(self, login: BmcLogin) -> PowerState:
        """Return the power state that the BMC reports."""
        async with self._client(login) as client:
            return power_state((await client.system())[1])

    async def control(self, login: BmcLogin, command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
        """Send a reset exactly once, in a session that has just answered; return False when no answer came."""
        if command not in RESET_TYPES:
            raise Unsupported(f"{command} is not one reset")
        async with self._client(login) as client:
            return await reset(client, command, may_send)

    async def reconnect(self, login: BmcLogin) -> None:
        """Delete the session and log in anew."""
        async with self._client(login) as client:
            await client.log_out()
            client.forget()
            await client.system()

    async def accepts_weak_auth(self, login: BmcLogin) -> bool:
        """Whether the BMC shows its systems without a login."""
        client = RedfishClient(login)
        try:
            status = await client.get_openly(linked(await client.root(), "Systems"))
        finally:
            client.disconnect()
        if status >= 500:
            raise BmcBusy(f"BMC {login.address} answered with HTTP status {status}")
        return status == 200

    async def sensors(self, login: BmcLogin) -> list[SensorReading]:
        """Return the sensors of the BMC's first system."""
        return await read_sensors(self._reader(login), await self._system(login))

    async def log(self, login: BmcLogin, after: LogMark | None) -> LogPortion:
        """Return the entries that follow `after` in the system's log, or the first ones."""
        get = self._reader(login)
        return await read_log(get, await find_log(get, await self._system(login)), after)

    async def clear_log(self, login: BmcLogin, last: LogMark | None) -> bool:
        """Clear the log if `last` is its last entry, or if it is empty; an entry of this very moment may be lost."""
        get = self._reader(login)
        service = await find_log(get, await self._system(login))
        if (await read_log(get, service, last)).entries:
            return False
        async with self._client(login) as client:
            await clear(client, path_of(clear_action(service)))
        return True

    async def _system(self, login: BmcLogin) -> Json:
        async with self._client(login) as client:
            return (await client.system())[1]

    def _reader(self, login: BmcLogin) -> Get:
        """Return a function that reads one document; power operations may come between two calls."""

        async def get(path: str) -> Json:
            async with self._client(login) as client:
                return await client.get(path)

        return get

    def close(self) -> None:
        """Log out of every BMC, without waiting for answers."""
        for client in self._clients.values():
            client.drop_session()
        self._clients.clear()

    @asynccontextmanager
    async def _client(self, login: BmcLogin) -> AsyncIterator[RedfishClient]:
        """Yield the BMC's client, alone; a client of another login is logged out first."""
        address = login.address
        async with self._locks.setdefault(address, asyncio.Lock()):
            client = self._clients.get(address)
            if client is None or client.login != login:
                if client:
                    await client.log_out()
                client = self._clients[address] = RedfishClient(login)
            try:
                yield client
            finally:
                self._keep(address, client)

    def _keep(self, address: BmcAddress, client: RedfishClient) -> None:
        self._connected.discard(address)
        if client.connected and len(self._connected) < MOST_KEPT:
            self._connected.add(address)
        else:
            client.disconnect()


def open_driver() -> RedfishDriver:
    """Return a driver that has no session open."""
    return RedfishDriver()
