"""IPMI 2.0 with pyghmi's protocol and cryptography, but without its sockets.

Only this file and decoding.py import it. pyghmi's own I/O thread repeats unanswered packets, waits for ever for a BMC
that stops answering, and lets dead BMCs delay the others. A session here only builds and parses packets; the driver's
event loop sends and repeats them.
"""

import asyncio
import secrets
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from pyghmi.ipmi.private.session import Session

from backends.power.errors import BmcGarbage, PowerError, SessionsFull, WeakAuth, WrongLogin
from backends.power.login import BmcLogin

OPERATOR = 3  # the least privilege that may control the chassis (appendix G)
NO_RESOURCES, WRONG_NAME_OR_KEY = (0x01, 0x0B), (0x0D, 0x0F)
ROLE_REFUSED = (0x09, 0x0A)
SUITE_17, SUITE_3 = 256, 1  # as pyghmi names them
ALGORITHMS = {SUITE_17: (3, 4, 1), SUITE_3: (1, 1, 1)}


class IpmiSession(Session):
    """pyghmi's session without its sockets, threads and timers: `send` sends a packet, `receive` takes one."""

    def __new__(cls, *_: object) -> "IpmiSession":
        return object.__new__(cls)

    def __init__(self, login: BmcLogin, send: Callable[[bytes], None], digest: int) -> None:
        self._address, self._send, self._digest = login.address, send, digest
        self.userid, self.password, self.kg = login.user, login.password, login.password
        self.privlevel, self.nameonly, self.autopriv = OPERATOR, 16, False
        self.maxtimeout, self.logontries = 0, 0
        self.servermode, self.incommand, self.broken = False, False, False
        self.pendingpayloads: deque[Any] = deque()
        self.request_entry: list[object] = []
        self._customkeepalives = None
        self._initsession()
        self.waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.progress: Callable[[], None] = lambda: None
        self.stage = "the first answer"

    def _initsession(self) -> None:
        super()._initsession()
        self.localsid = secrets.randbits(31)  # pyghmi's constant would let a late packet of an old login fit a new one
        self.attemptedhash = self._digest

    def ask(self, netfn: int, command: int, data: bytes = b"", lun: int = 0) -> "asyncio.Future[dict[str, Any]]":
        """Send a request once; return the future of its response."""
        self.lastpayload, self.request_entry = None, []
        self.waiting = asyncio.get_running_loop().create_future()
        self.ipmicallback = self._finish
        self._send_ipmi_net_payload(netfn, command, data, retry=False, rslun=lun)
        return self.waiting

    def receive(self, data: bytes) -> None:
        """Handle a received packet.

        One that cannot be parsed ends the wait with BmcGarbage; one of another session is ignored.
        """
        before = (self.sessioncontext, self.ipmiversion)
        try:
            if len(data) < 16 or data[0] != 6 or data[2:4] != b"\xff\x07":
                raise ValueError("no RMCP packet")
            self._handle_ipmi_packet(bytearray(data), qent=(None, None, None))
        except PowerError as error:
            self.fail(error)
        except (ValueError, IndexError, KeyError, TypeError, struct.error):
            self.fail(BmcGarbage(f"BMC {self._address} sent an answer that is not IPMI 2.0"))
        if (self.sessioncontext, self.ipmiversion) != before:
            self.stage = f"the answer after {str(self.sessioncontext).lower()}"
            self.progress()

    def fail(self, error: PowerError) -> None:
        """End the wait for a response with an error."""
        if not self.waiting.done():
            self.waiting.set_exception(error)

    def _finish(self, response: dict[str, Any]) -> None:
        if not self.waiting.done():
            self.waiting.set_result(response)

    def _xmit_packet(self, retry: bool = True, delay_xmit: object = None, timeout: object = None) -> None:  # noqa: ARG002
        if self.sequencenumber:
            self.sequencenumber += 1
        self._send(bytes(self.netpacket))

    # pyghmi calls these during a login. What an error means depends on the state of the session.

    def onlogon(self, parameter: dict[str, Any]) -> None:
        if "error" not in parameter:
            self._finish(parameter)
        elif self.sessioncontext in ("EXPECTINGRAKP2", "EXPECTINGRAKP4", "FAILED"):
            self.fail(WrongLogin(f"BMC {self._address} refused the login: wrong user or password"))
        else:
            self.fail(BmcGarbage(f"BMC {self._address} could not begin a login: {parameter['error']}"))

    def _get_session_challenge(self) -> None:
        raise WeakAuth(f"BMC {self._address} offers only IPMI 1.5, which is refused")

    def _got_rmcp_response(self, data: bytearray) -> Any:
        if data[0] == self.rmcptag and data[1] in NO_RESOURCES:
            raise SessionsFull(f"BMC {self._address} has no session free")
        if data[0] == self.rmcptag and data[1] and self.attemptedhash == SUITE_3:
            raise WeakAuth(f"BMC {self._address} offers neither cipher suite 17 nor 3")
        if data[0] == self.rmcptag and not data[1] and (data[16], data[24], data[32]) != ALGORITHMS[self.attemptedhash]:
            raise WeakAuth(f"BMC {self._address} answered with other algorithms than asked for")
        return super()._got_rmcp_response(data)

    def _got_rakp2(self, data: bytearray) -> Any:
        self._require_accepted(data)
        return super()._got_rakp2(data)

    def _got_rakp4(self, data: bytearray) -> Any:
        self._require_accepted(data)
        return super()._got_rakp4(data)

    def _require_accepted(self, data: bytearray) -> None:
        if data[0] != self.rmcptag or not data[1]:
            return
        if data[1] in WRONG_NAME_OR_KEY:
            raise WrongLogin(f"BMC {self._address} refused the login: wrong user or password")
        if data[1] in ROLE_REFUSED:
            raise WrongLogin(f"BMC {self._address}: the user may not log in as operator")
        if data[1] in NO_RESOURCES:
            raise SessionsFull(f"BMC {self._address} has no session free")

    def _req_priv_level(self) -> None:
        self.logged, self.logging = 1, False
        self._finish({"success": True})
