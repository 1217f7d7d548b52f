"""HTTP POST to one checked address. h11 parses; every wait is bounded by one deadline, so nobody can drip bytes."""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import h11

from outbox.choices import AttemptResult
from outbox.sending.addresses import Address, Network, checked_addresses
from outbox.sending.outcome import SendError
from outbox.sending.targets import WebhookTarget

LONGEST_BODY = 1 << 16  # bytes of an answer that are read; its status counts
LONGEST_HEAD = 1 << 16
CHUNK = 1 << 14
DRAIN_WAIT = 2.0  # seconds for the body of an answer, which nobody reads


class HttpAnswer(NamedTuple):
    """An HTTP answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]


class Stale(Exception):
    """The receiver closed a kept connection before it answered anything."""


@lru_cache(maxsize=4)
def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """Return how receivers are verified: by the CAs of the system, or by those of a file."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(slots=True)
class Deadline:
    """The moment (monotonic) until which a whole exchange must be done."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that is so many seconds ahead."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class WebhookConnection:
    """An open connection to a receiver. It carries one request at a time."""

    def __init__(self, sock: socket.socket, target: WebhookTarget) -> None:
        self._sock, self.target = sock, target
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        self.used = False

    @classmethod
    def open(
        cls, target: WebhookTarget, networks: Sequence[Network], ca_file: str, deadline: Deadline
    ) -> "WebhookConnection":
        """Connect to one of the target's addresses, all of which were checked. Raises SendError, TimeoutError."""
        addresses = checked_addresses(target.host, target.port, networks, deadline.left())
        sock = connect(addresses, target.port, deadline)
        if not target.tls:
            return cls(sock, target)
        try:
            sock.settimeout(deadline.left())
            return cls(tls_context(ca_file).wrap_socket(sock, server_hostname=target.host), target)
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise SendError(AttemptResult.UNTRUSTED, error.verify_message) from None
        except TimeoutError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            raise SendError(AttemptResult.GARBAGE, f"no TLS 1.2 or later: {error.strerror or error}") from None

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._http.our_state is h11.IDLE and self._http.their_state is h11.IDLE

    def post(self, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> HttpAnswer:
        """Send a request and return the answer. Raises Stale, SendError, TimeoutError; then it is closed."""
        try:
            answer = self._exchange(headers, body, deadline)
        except BaseException:
            self.close()
            raise
        self.used = True
        self._finish()
        return answer

    def _exchange(self, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> HttpAnswer:
        head = [("Host", self.target.authority), *headers.items(), ("Content-Length", str(len(body)))]
        request = h11.Request(method="POST", target=self.target.path, headers=head)
        events: tuple[h11.Event, ...] = (request, h11.Data(data=body), h11.EndOfMessage())
        sent = b"".join(self._http.send(event) or b"" for event in events)
        try:
            self._sock.settimeout(deadline.left())
            self._sock.sendall(sent)
            return self._receive(deadline)
        except h11.ProtocolError:
            raise SendError(AttemptResult.GARBAGE, "not HTTP") from None
        except TimeoutError:
            raise
        except OSError as error:
            raise self._broken(error.strerror or "the connection was lost") from None

    def _receive(self, deadline: Deadline) -> HttpAnswer:
        """Return the answer as soon as its head is whole: a body that is too long, too slow or cut changes nothing."""
        answer = None
        while answer is None:
            event = self._next_event(deadline)
            if isinstance(event, h11.Response):
                names = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                answer = HttpAnswer(event.status_code, names)
            elif not isinstance(event, h11.InformationalResponse):
                raise self._broken("")
        with suppress(OSError, h11.ProtocolError):
            self._drain(Deadline(min(deadline.at, Deadline.after(DRAIN_WAIT).at)))
        return answer

    def _drain(self, deadline: Deadline) -> None:
        """Read a body of reasonable length to its end, so that the connection can be used again."""
        size = 0
        while size <= LONGEST_BODY:
            event = self._next_event(deadline)
            if not isinstance(event, h11.Data):
                return
            size += len(event.data)

    def _next_event(self, deadline: Deadline) -> object:
        """Return the next event of the connection; its end, before an answer, is one as well."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._sock.settimeout(deadline.left())
            data = self._sock.recv(CHUNK)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                return h11.ConnectionClosed()
            self._http.receive_data(data)
        return event

    def _broken(self, detail: str) -> Exception:
        """Return the error of a connection that was closed; a kept one may simply have been idle for too long."""
        return Stale() if self.used and self._http.their_state is h11.SEND_RESPONSE else _broken(detail)

    def _finish(self) -> None:
        with suppress(h11.ProtocolError):
            if self._http.our_state is self._http.their_state is h11.DONE and self._http.trailing_data == (b"", False):
                self._http.start_next_cycle()
                return
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.send_failed()
        with suppress(OSError):
            self._sock.close()


def _broken(detail: str) -> SendError:
    return SendError(AttemptResult.BROKEN, detail)


def connect(addresses: Sequence[Address], port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address that accepts; half of the time is left to others. Raises SendError, TimeoutError."""
    problem: OSError | None = None
    for place, address in enumerate(addresses, 1):
        left = deadline.left()
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6)
        try:
            sock.settimeout(left if place == len(addresses) else left / 2)
            sock.connect((str(address), port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise SendError(AttemptResult.TIMEOUT, "no connection in time")
    raise SendError(AttemptResult.UNREACHABLE, getattr(problem, "strerror", None) or "no connection")
