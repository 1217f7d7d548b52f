"""Real receivers for what leaves: an HTTP server whose manners are set, and an SMTP server."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from tests.services import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Manners = Callable[["Received", socket.socket], bytes | None]
"""What is answered; None: the manners have answered themselves, and the connection is closed."""


def answers(status: str, *headers: str, body: str = "") -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as a value."""
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """An HTTP server, a thread for each connection; `manners` decides each answer."""

    manners: Manners = lambda _received, _sock: OK
    context: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"{'https' if self.context else 'http'}://localhost:{self.port}/hook?key=hidden-in-query"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _address = self._listener.accept()
                self.connections += 1
                self._open.add(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as lines:
                while request := _read(lines):
                    with self._lock:
                        self.received.append(request)
                    answer = self.manners(request, sock)
                    if answer is None:
                        return
                    sock.sendall(answer)

    def close(self) -> None:
        """Stop."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else a thread that waits in accept keeps it open
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def _read(lines: Any) -> Received | None:
    first = lines.readline().decode().split(" ")
    if len(first) < 2:
        return None
    headers = {}
    while line := lines.readline().strip().decode():
        name, _colon, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Received(first[1], headers, lines.read(int(headers.get("content-length", 0))))


@contextmanager
def receiving(manners: Manners | None = None, context: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    """Run a receiver."""
    made = HttpReceiver(manners or (lambda _received, _sock: OK), context)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def speaking(say: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that says something to whoever connects, one at a time, and hears nothing; yields its port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                sock, _address = listener.accept()
                with suppress(OSError), sock:
                    say(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def drip(_received: Received, sock: socket.socket) -> None:
    """Answer a byte at a time, without end."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)


def endless(_received: Received, sock: socket.socket) -> None:
    """Answer with a body without end."""
    with suppress(OSError):
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def silent(_received: Received, _sock: socket.socket) -> None:
    """Answer nothing for long."""
    time.sleep(5)


def close_in_the_middle(_received: Received, sock: socket.socket) -> None:
    """Close the connection in the middle of the head."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


class _Mailbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refuse: dict[str, str] = {}

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[tuple[_Mailbox, int]]:
    """Run an SMTP server; yields what it receives, and its port."""
    handler = _Mailbox()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield handler, controller.port
    finally:
        controller.stop()


def self_signed(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS for some names, and the file of the certificate that vouches for it."""
    import datetime
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    kinds = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(kinds), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "crt.pem", folder / "key.pem"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, pem)
    return context, crt
