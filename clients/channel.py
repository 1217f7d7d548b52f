"""A client's end of a connection: where the server is, how to trust it, who we are, what its errors mean."""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from clients.errors import SettingError
from protocol import wire

Metadata = tuple[tuple[str, str], ...]
HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%a-z]+\]")

LONGEST_WAIT = 60.0  # seconds that a server may send a client away for

TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.DATA_LOSS,
    }
)


@dataclass(frozen=True)
class Tls:
    """PEM files: whom to trust (none: the system's authorities), and for mutual TLS who we are."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises OSError that names the file: gRPC itself would only not connect."""
        ca, key, certificate = (_content(path) if path else None for path in (self.ca, self.key, self.certificate))
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca:
            with _named(f"{self.ca} holds no certificate of an authority that can be read."):
                trust.load_verify_locations(self.ca)
        if self.certificate:
            with _named(f"{self.certificate} and {self.key} are no certificate and its key that can be read."):
                trust.load_cert_chain(self.certificate, self.key, password="")
        return grpc.ssl_channel_credentials(ca, key, certificate)


@dataclass(frozen=True)
class Server:
    """Address (host:port) of an SDAManager; without Tls the connection is plain."""

    address: str
    tls: Tls | None = None

    @classmethod
    def from_env(cls, address: str | None = None) -> Self:
        """Take what is not given from MOREH_SERVER, MOREH_TLS (0 or 1), MOREH_TLS_CA, MOREH_TLS_CERT and MOREH_TLS_KEY.

        Raises SettingError for a value that means nothing: a connection is never less safe than was asked for.
        """
        source = "--server" if address else "MOREH_SERVER"
        address = address or os.environ.get("MOREH_SERVER") or f"localhost:{wire.DEFAULT_PORT}"
        _require_address(address, source)
        ca, certificate, key = (os.environ.get(f"MOREH_TLS_{name}") for name in ("CA", "CERT", "KEY"))
        if bool(certificate) != bool(key):
            raise SettingError("MOREH_TLS_CERT and MOREH_TLS_KEY belong together: give both or neither.")
        if (switch := os.environ.get("MOREH_TLS", "")) not in ("", "0", "1"):
            raise SettingError(f"MOREH_TLS is {switch!r}: 1 (TLS) or 0 (plain) is expected.")
        if not (switch == "1" or ca or certificate):
            return cls(address)
        return cls(address, Tls(*(Path(file) if file else None for file in (ca, certificate, key))))

    def connect(self) -> grpc.aio.Channel:
        """Open a channel on a connection of its own; close it after use. Raises OSError for unreadable TLS files."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=wire.CLIENT_OPTIONS)
        return grpc.aio.secure_channel(self.address, self.tls.credentials(), options=wire.CLIENT_OPTIONS)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OSError(f"{file} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _named(text: str) -> Iterator[None]:
    """Raise what makes a file useless in words of ours."""
    try:
        yield
    except (ssl.SSLError, ValueError) as error:
        raise OSError(text) from error


def _require_address(address: str, source: str) -> None:
    host, _, port = address.rpartition(":")
    numbered = port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65_535
    if not (HOST.fullmatch(host) and numbered):
        raise SettingError(f"{source} is {address!r}: host:port is expected, as in cloud.example:{wire.DEFAULT_PORT}.")


def sendable(text: str) -> str:
    """Return a text of the command line as the wire can carry it: bytes that are no UTF-8 become question marks."""
    return text.encode(errors="replace").decode()


def bearer(secret: str) -> Metadata:
    """Make the metadata that says who calls."""
    return (("authorization", f"Bearer {secret}"),)


def is_transient(error: grpc.aio.AioRpcError) -> bool:
    """Whether trying again may help."""
    return error.code() in TRANSIENT


def code_of(error: grpc.aio.AioRpcError) -> str:
    """Return the code of an error from the closed list (as REST shows it), else the name of its status."""
    info = ErrorInfo()
    found = _detail(error, info) and info.domain == wire.ERROR_DOMAIN
    return str(info.reason) if found and info.reason else error.code().name


def retry_after(error: grpc.aio.AioRpcError) -> float | None:
    """Return how many seconds the server asks to wait before the next try (at most LONGEST_WAIT), if it does."""
    retry = RetryInfo()
    found = _detail(error, retry)
    return min(LONGEST_WAIT, max(0.0, retry.retry_delay.ToTimedelta().total_seconds())) if found else None


def explain(error: grpc.aio.AioRpcError, server: Server) -> str:
    """Return a sentence for a person; only a server that has not answered cannot be reached."""
    if error.code() is grpc.StatusCode.UNAVAILABLE and code_of(error) == grpc.StatusCode.UNAVAILABLE.name:
        return f"The server {server.address} cannot be reached."
    return error.details() or f"The server answered {error.code().name}."


def _detail(error: grpc.aio.AioRpcError, wanted: Message) -> bool:
    """Fill in the detail of this kind that an error carries; tell whether there is one."""
    status = Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            with contextlib.suppress(DecodeError):
                status.ParseFromString(value)
    return any(detail.Is(wanted.DESCRIPTOR) and detail.Unpack(wanted) for detail in status.details)
