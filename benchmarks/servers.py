"""What benchmarks measure against: the web server as delivered, asked by one client over one connection."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import services

DURABLE = ("-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB", "-c", "max_connections=50")
ROOT = Path(__file__).resolve().parents[1]


class Client:
    """One connection that asks for the same address again and again."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = headers or {}

    def get(self, path: str, **headers: str) -> tuple[int, bytes, str]:
        try:
            return self._get(path, **headers)
        except (http.client.RemoteDisconnected, ConnectionError):  # gunicorn closes it when it was silent for long
            self._connection.close()
            return self._get(path, **headers)

    def _get(self, path: str, **headers: str) -> tuple[int, bytes, str]:
        self._connection.request("GET", path, headers={**self._headers, **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("ETag", "")

    def rate(self, path: str, seconds: float, **headers: str) -> float:
        """Ask for so many seconds, once unmeasured, and give requests per second."""
        self.get(path, **headers)
        begun, asked = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds:
            status, _body, _tag = self.get(path, **headers)
            assert status in (200, 304), status
            asked += 1
        return asked / spent


@contextmanager
def gunicorn(application: str, *options: str) -> Iterator[int]:
    """Run gunicorn on a free port; yields the port."""
    port = services.free_port()
    command = [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", application]
    environment = {**os.environ, "MOREH_HTTP_PORT": str(port), "MOREH_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _wait(port: int, timeout: float = 30) -> None:
    until = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
