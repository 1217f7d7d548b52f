"""A client's end of a connection: where the server is, how to trust it, who we are, what its errors mean."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from protocol import wire

Metadata = tuple[tuple[str, str], ...]

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
        """Read the files. Raises OSError."""
        ca, key, certificate = (path.read_bytes() if path else None for path in (self.ca, self.key, self.certificate))
        return grpc.ssl_channel_credentials(ca, key, certificate)


@dataclass(frozen=True)
class Server:
    """Address (host:port) of an SDAManager; without Tls the connection is plain."""

    address: str
    tls: Tls | None = None

    @classmethod
    def from_env(cls, address: str | None = None) -> Self:
        """Take what is not given from MOREH_SERVER and MOREH_TLS (1), MOREH_TLS_CA, MOREH_TLS_CERT, MOREH_TLS_KEY."""
        address = address or os.environ.get("MOREH_SERVER") or f"localhost:{wire.DEFAULT_PORT}"
        files = [os.environ.get(f"MOREH_TLS_{name}") for name in ("CA", "CERT", "KEY")]
        wanted = any(files) or os.environ.get("MOREH_TLS") == "1"
        return cls(address, Tls(*(Path(file) if file else None for file in files)) if wanted else None)

    def connect(self) -> grpc.aio.Channel:
        """Open a channel on a connection of its own; close it after use. Raises OSError for unreadable TLS files."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=wire.CLIENT_OPTIONS)
        return grpc.aio.secure_channel(self.address, self.tls.credentials(), options=wire.CLIENT_OPTIONS)


def bearer(secret: str) -> Metadata:
    """Make the metadata that says who calls."""
    return (("authorization", f"Bearer {secret}"),)


def is_transient(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether trying again may help."""
    return error.code() in TRANSIENT


def code_of(error: grpc.aio.AioRpcError) -> str:
    """Find the closed-list code of an error (as REST shows it), else the name of its status."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes) and (reason := _reason(value)):
            return reason
    return error.code().name


def explain(error: grpc.aio.AioRpcError, server: Server) -> str:
    """Say for a person what went wrong."""
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return f"The server {server.address} cannot be reached."
    return error.details() or f"The server answered {error.code().name}."


def _reason(packed: bytes) -> str:
    status = Status()
    with contextlib.suppress(DecodeError):
        status.ParseFromString(packed)
    for detail in status.details:
        info = ErrorInfo()
        if detail.Is(ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == wire.ERROR_DOMAIN:
            return str(info.reason)
    return ""
