"""One BMC's socket and session: requests and controls, with a timeout for every wait."""

import asyncio
import struct
from typing import Any

from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import BmcBusy, BmcGarbage, BmcSilent, BmcUnreachable, Unsupported
from backends.power.ipmi.session import OPERATOR, SUITE_3, SUITE_17, IpmiSession
from backends.power.login import BmcLogin

LOGIN_WAITS = (1.0, 2.0, 3.0)  # seconds without progress before the login starts anew, then BmcSilent
STATUS_WAITS = (0.7, 1.0)  # seconds before a request is repeated, then before the session counts as dead
CONTROL_WAIT = 3.0  # seconds for the answer to a control, which is never repeated
CHASSIS, APP = 0x00, 0x06
CONTROLS = {PowerCommand.OFF: 0, PowerCommand.ON: 1, PowerCommand.RESET: 3, PowerCommand.SOFT: 5}
TIMED_OUT = 0xC3  # "response unavailable" (IPMI 2.0, table 5-2): it may have been carried out
BUSY_CODES = (0xC0, 0xC3, 0xC4, 0xD0, 0xD1, 0xD2)


class Wire(asyncio.DatagramProtocol):
    """A connected UDP socket to one BMC: nobody else can answer, and a closed port is reported at once."""

    def __init__(self, login: BmcLogin) -> None:
        self.login = login
        self.session: IpmiSession | None = None
        self.used = 0.0
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, login: BmcLogin) -> "Wire":
        """Return a socket that is connected to the BMC. Raises BmcUnreachable."""
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
        """End the session, without waiting for the answer, and close the socket."""
        if self.session and self.session.logged:
            self.session.ask(APP, 0x3C, struct.pack("<I", self.session.sessionid)).cancel()
        if self._transport:
            self._transport.close()

    async def log_in(self) -> None:
        """Open a session with cipher suite 17, else 3."""
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
        """Return the power state. The request changes nothing, so it may be repeated."""
        response = await self._ask(CHASSIS, 0x01)
        return PowerState.ON if response["data"][0] & 1 else PowerState.OFF

    async def _ask(self, netfn: int, command: int, data: bytes = b"") -> dict[str, Any]:
        return self._require_done(await self.request(netfn, command, data))

    async def request(self, netfn: int, command: int, data: bytes, lun: int = 0) -> dict[str, Any]:
        """Return the response to a request that may be repeated, whatever its completion code."""
        for wait in STATUS_WAITS:
            try:
                async with asyncio.timeout(wait):
                    response = await self._session_open().ask(netfn, command, data, lun)
                    self.used = asyncio.get_running_loop().time()
                    return response
            except TimeoutError:
                continue
        raise BmcSilent(f"BMC {self.login.address} fell silent inside a session")

    async def send_once(self, command: PowerCommand) -> bool:
        """Send a chassis control exactly once; return False unless an answer came that says what was done."""
        try:
            async with asyncio.timeout(CONTROL_WAIT):
                answer = await self._session_open().ask(CHASSIS, 0x02, bytes([CONTROLS[command]]))
        except (TimeoutError, BmcUnreachable, BmcGarbage):
            return False
        if answer.get("code") == TIMED_OUT:
            return False
        self._require_done(answer)
        return True

    def _require_done(self, response: dict[str, Any]) -> dict[str, Any]:
        code = response.get("code", 0)
        if code in BUSY_CODES:
            raise BmcBusy(f"BMC {self.login.address} is busy (completion code 0x{code:02X})")
        if code:
            raise Unsupported(f"BMC {self.login.address} refused the command (completion code 0x{code:02X})")
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
