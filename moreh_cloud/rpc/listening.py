"""The port of the gRPC server: opened with its certificates, or refused with the setting that is wrong."""

import errno
import os
import socket
import ssl
from pathlib import Path

import grpc
from django.conf import settings

from moreh_cloud.rpc.errors import CannotListen, PortTaken

PAIR = "MOREH_GRPC_CERT and MOREH_GRPC_KEY must be a certificate (PEM) and its private key, unencrypted."
AUTHORITY = "MOREH_GRPC_CLIENT_CA must be the certificate (PEM) of an authority."
FILES = ("MOREH_GRPC_KEY", "MOREH_GRPC_CERT", "MOREH_GRPC_CLIENT_CA")


def listen(server: grpc.aio.Server, address: str) -> int:
    """Open the port of `address` (host:port) and return its number. Raises CannotListen, PortTaken."""
    credentials = _credentials()
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:  # gRPC does not say why
        raise _fault(address) from error


def _credentials() -> grpc.ServerCredentials | None:
    key, certificate, ca = (_content(name) for name in FILES)
    if key is None or certificate is None:
        return None
    if ca == b"":  # gRPC listens with it
        raise CannotListen(AUTHORITY)
    return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=ca is not None)


def _content(name: str) -> bytes | None:
    path: Path | None = getattr(settings, name)
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise CannotListen(f"{name}: {path} cannot be read ({error.strerror}).") from error


def _fault(address: str) -> CannotListen:
    """Return why the port did not open."""
    certificate, key = settings.MOREH_GRPC_CERT, settings.MOREH_GRPC_KEY
    if certificate and key and (problem := _certificate_problem(certificate, key)):
        return CannotListen(problem)
    if (number := _socket_problem(address)) == errno.EADDRINUSE:
        return PortTaken(address)
    why = os.strerror(number) if number else "the host is not known"
    return CannotListen(f"{address} cannot be listened on ({why}). Look at MOREH_GRPC_HOST and MOREH_GRPC_PORT.")


def _certificate_problem(certificate: Path, key: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError):
        return PAIR
    try:
        if settings.MOREH_GRPC_CLIENT_CA:
            context.load_verify_locations(settings.MOREH_GRPC_CLIENT_CA)
    except (ssl.SSLError, ValueError):
        return AUTHORITY
    return ""


def _socket_problem(address: str) -> int:
    """Return the number of the system's error for an address; 0 when its host is not known."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        return 0
    family, kind, *_, where = found[0]
    with socket.socket(family, kind) as probe:
        try:
            probe.bind(where)
        except OSError as error:
            return error.errno or 0
    return errno.EADDRINUSE  # by now it is free again
