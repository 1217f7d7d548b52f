"""HTTPS to one BMC. h11 parses HTTP; sending, waiting and giving up are ours: no request is ever repeated here."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import h11

from backends.power.driver import BmcAddress
from backends.power.errors import BmcGarbage, BmcSilent, BmcUnreachable, PowerError, UntrustedCertificate
from backends.power.redfish.tls import context_for, require_pinned

CONNECT_WAIT = 8.0  # seconds for TCP and TLS; the processors of BMCs are slow
LONGEST_BODY = 1 << 20  # bytes of an answer
LONGEST_HEAD = 1 << 16
CHUNK = 1 << 14


class Request(NamedTuple):
    """An HTTP request. Its `repr` shows neither headers nor body, which hold login and session token."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


class Response(NamedTuple):
    """An HTTP answer; the names of its headers are in small letters. Its `repr` shows only the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


class HttpConnection:
    """An open TLS connection to a BMC that was verified. It carries one request at a time."""

    def __init__(self, address: BmcAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._address, self._reader, self._writer = address, reader, writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        self._ended = False  # whether the BMC has closed its side

    @classmethod
    async def open(cls, address: BmcAddress, certificate: str) -> "HttpConnection":
        """Connect and verify the BMC. Raises BmcSilent, BmcUnreachable, BmcGarbage, UntrustedCertificate."""
        try:
            async with asyncio.timeout(CONNECT_WAIT):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=context_for(certificate), limit=CHUNK
                )
        except TimeoutError:
            raise BmcSilent(f"BMC {address} is silent: no TLS connection in {CONNECT_WAIT:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise UntrustedCertificate(f"BMC {address}: {error.verify_message}") from None
        except ssl.SSLError:
            raise BmcGarbage(f"BMC {address} does not speak TLS 1.2 or later") from None
        except OSError as error:
            raise BmcUnreachable(f"BMC {address}: {error.strerror or 'the connection was closed'}") from None
        connection = cls(address, reader, writer)
        try:
            require_pinned(address, certificate, writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        except UntrustedCertificate:
            connection.close()
            raise
        return connection

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._http.our_state is h11.IDLE and not self._reader.at_eof() and not self._writer.is_closing()

    def send_unanswered(self, request: Request) -> None:
        """Send a request whose answer nobody waits for."""
        head = [("Host", str(self._address)), *request.headers.items(), ("Content-Length", str(len(request.body)))]
        events = (h11.Request(method=request.method, target=request.path, headers=head), h11.Data(request.body))
        self._writer.write(b"".join(self._http.send(event) or b"" for event in (*events, h11.EndOfMessage())))

    async def ask(self, request: Request, wait: float) -> Response:
        """Send a request once and return its answer, which must be complete in `wait` seconds.

        Raises BmcSilent, BmcUnreachable, BmcGarbage; then the connection is closed.
        """
        try:
            async with asyncio.timeout(wait):
                self.send_unanswered(request)
                response = await self._receive()
        except TimeoutError:
            self.close()
            raise BmcSilent(f"BMC {self._address} gave no whole answer in {wait:g} s") from None
        except h11.ProtocolError:
            self.close()
            raise self._broken() from None
        except OSError as error:
            self.close()
            raise BmcUnreachable(f"BMC {self._address}: {error.strerror or 'the connection was closed'}") from None
        except BaseException:  # what is under way on it is unknown
            self.close()
            raise
        self._finish()
        return response

    async def _receive(self) -> Response:
        head, body = None, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(CHUNK)
                self._ended = not data
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LONGEST_BODY:
                    raise BmcGarbage(f"BMC {self._address} sent an answer longer than {LONGEST_BODY} bytes")
            elif isinstance(event, h11.EndOfMessage) and head:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                return Response(head.status_code, headers, bytes(body))
            elif not isinstance(event, h11.InformationalResponse):
                raise self._broken()

    def _broken(self) -> PowerError:
        if self._ended:
            return BmcUnreachable(f"BMC {self._address} closed the connection before its answer was whole")
        return BmcGarbage(f"BMC {self._address} sent an answer that is not HTTP")

    def _finish(self) -> None:
        """Make ready for the next request, unless the BMC wants to close the connection or sent more than asked."""
        clean = self._http.our_state is self._http.their_state is h11.DONE and self._http.trailing_data == (b"", False)
        if clean:
            self._http.start_next_cycle()
        else:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
