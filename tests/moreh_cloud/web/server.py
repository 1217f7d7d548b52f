"""Gunicorn as delivered, on loopback, and clients that send what they like."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests import services

ROOT = Path(__file__).resolve().parents[3]
APPLICATION = "tests.moreh_cloud.web.application:application"
REQUEST_TIMEOUT = 2  # seconds


class Server:
    """A gunicorn master with one worker."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.port = port
        command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", *options, APPLICATION]
        own = {
            "MOREH_DATA_DIR": str(folder),
            "MOREH_HTTP_PORT": str(port),
            "MOREH_LOG_LEVEL": "ERROR",
            "MOREH_HTTP_HOST": "[::]",
        }
        own |= {"MOREH_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT), "DATABASE_URL": ""}
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own})

    def await_up(self) -> None:
        """Wait until it answers. Raises TimeoutError."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(OSError):
                assert self.get("/livez")[0] == 200
                return
            time.sleep(0.05)
        raise TimeoutError

    def get(self, path: str, timeout: float = 10) -> tuple[int, bytes]:
        """Ask over a connection of its own. Raises TimeoutError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def open(self, data: bytes = b"", *, buffer: int = 0) -> socket.socket:
        """Connect and send; with a small buffer little of an answer is taken before it is read."""
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(15)
        client.connect(("127.0.0.1", self.port))
        client.sendall(data)
        return client

    @contextmanager
    def crowd(self, number: int, data: bytes, *, buffer: int = 0) -> Iterator[list[socket.socket]]:
        """Keep so many connections open that have all sent the same."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.open(data, buffer=buffer)) for _one in range(number)]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Run gunicorn until the end of the block."""
    server = Server(folder, services.free_port(), *options)
    try:
        server.await_up()
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := client.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def read_until(client: socket.socket, words: bytes) -> bool:
    """Read until some words came; whether they did before the server closed."""
    seen = b""
    while words not in seen:
        if not (part := client.recv(1 << 16)):
            return False
        seen += part
    return True
