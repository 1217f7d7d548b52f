"""A test whether a BMC accepts a login without a password: it tries cipher suite 0 and no password."""

import asyncio
import os
import struct

from backends.power.driver import BmcAddress
from backends.power.errors import BadPacket, BmcGarbage, BmcSilent, BmcUnreachable
from backends.power.ipmi import rmcp
from backends.power.login import BmcLogin

WAITS = (0.7, 1.3)  # seconds for an answer; the request is sent twice
ADMINISTRATOR = 4


class _Probe(asyncio.DatagramProtocol):
    """A connected UDP socket with at most one request under way."""

    def __init__(self, address: BmcAddress) -> None:
        self.address = address
        self._transport: asyncio.DatagramTransport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if self._answer and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(BmcUnreachable(f"BMC {self.address}: {getattr(exc, 'strerror', exc)}"))

    async def ask(self, packet: bytes) -> bytes:
        """Send a packet, twice if need be, and return the answer. Raises BmcSilent, BmcUnreachable."""
        for wait in WAITS:
            self._answer = asyncio.get_running_loop().create_future()
            self.send(packet)
            try:
                return await asyncio.wait_for(self._answer, wait)
            except TimeoutError:
                continue
        raise BmcSilent(f"BMC {self.address} is silent")

    def send(self, packet: bytes) -> None:
        """Send a packet without waiting for an answer."""
        if self._transport:
            self._transport.sendto(packet)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


async def accepts_weak_auth(login: BmcLogin) -> bool:
    """Whether a BMC allows anonymous login, no authentication or cipher suite 0; raises PowerError."""
    loop = asyncio.get_running_loop()
    address = login.address
    try:
        _, probe = await loop.create_datagram_endpoint(
            lambda: _Probe(address), remote_addr=(address.host, address.port)
        )
    except OSError as error:
        raise BmcUnreachable(f"BMC {address}: {error.strerror}") from None
    try:
        return await _offers_none(probe) or await _accepts_suite_0(probe, login.user)
    except (BadPacket, struct.error, IndexError):
        raise BmcGarbage(f"BMC {address} sent an answer that is not IPMI 2.0") from None
    finally:
        probe.close()


async def _offers_none(probe: _Probe) -> bool:
    """Whether the BMC offers authentication type none or anonymous login (22.13)."""
    data = await probe.ask(rmcp.legacy(rmcp.request(0x06, 0x38, 1, bytes([0x8E, ADMINISTRATOR]))))
    answer = rmcp.parse_message(data[14 : 14 + data[13]]).data
    return bool(answer[2] & 0x01 or answer[3] & 0x01)


async def _accepts_suite_0(probe: _Probe, user: bytes) -> bool:
    """Whether a login without a password succeeds (13.17 to 13.23); the session is closed again."""
    opening = struct.pack("<BBxxI", 1, 0, 0x5A5A5A5A) + rmcp.suite_proposal(rmcp.SUITE_0)
    opened = rmcp.parse(await probe.ask(rmcp.plain(rmcp.OPEN, opening))).payload
    if opened[1]:
        return False
    bmc = opened[8:12]
    name = bytes([0x10 | ADMINISTRATOR, 0, 0, len(user)]) + user
    second = rmcp.parse(await probe.ask(rmcp.plain(rmcp.RAKP1, b"\x02\0\0\0" + bmc + os.urandom(16) + name))).payload
    if second[1]:
        return False
    fourth = rmcp.parse(await probe.ask(rmcp.plain(rmcp.RAKP3, b"\x03\0\0\0" + bmc))).payload
    if fourth[1]:
        return False
    probe.send(rmcp.plain(rmcp.IPMI, rmcp.request(0x06, 0x3C, 1, bmc), struct.unpack("<I", bmc)[0], 1))
    return True
