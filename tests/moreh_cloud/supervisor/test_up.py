"""`manage.py up` as a newcomer meets it: started, looked at, stopped, started again, and what it says else."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from moreh_cloud.supervisor import parts

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN = 150.0  # seconds: `up` itself gives up after 120; benchmarks/up.py measures the real limits
TIMEOUT = 60.0  # seconds for what takes one or two when nobody else works here
PASSWORD = "a-password-of-a-newcomer"

NOT_STARTED: dict[str, tuple[dict[str, str], str]] = {
    "a port that is no number": ({"MOREH_GRPC_PORT": "abc"}, "MOREH_GRPC_PORT must be a whole number, not 'abc'."),
    "an address of another machine": (
        {"MOREH_HTTP_HOST": "192.0.2.1"},
        "192.0.2.1 is no address of this machine (Cannot assign requested address). "
        "Choose another with MOREH_HTTP_HOST.",
    ),
    "a data folder that is a file": (
        {"MOREH_DATA_DIR": str(Path(__file__).resolve())},
        f"{Path(__file__).resolve()}/secret_key cannot be used (File exists). "
        "Choose another folder with MOREH_DATA_DIR, or set MOREH_SECRET_KEY.",
    ),
    "a password that is too weak": (
        {"MOREH_ADMIN_PASSWORD": "short"},
        "MOREH_ADMIN_PASSWORD cannot be used: This password is too short. It must contain at least 10 characters.",
    ),
    "a database that is not there": (
        {"DATABASE_URL": "postgresql://moreh:pssst@127.0.0.1:1/moreh"},
        "The database cannot be used (couldn't get a connection after 5.00 sec). Look at DATABASE_URL.",
    ),
}
# What `prepare` refuses for `up`, which the last two of the above see: alone it costs a quarter.
NOT_PREPARED: dict[str, tuple[dict[str, str], str, str]] = {
    "a password with a tab": (
        {},
        "abc\tdefghij-9",
        "MOREH_ADMIN_PASSWORD cannot be used: Line breaks and tabs are not allowed.",
    ),
    "an administrator with a blank in the name": (
        {"MOREH_ADMIN_USER": "kim lee"},
        PASSWORD,
        "MOREH_ADMIN_USER cannot be used: Enter a valid username. "
        "This value may contain only letters, numbers, and @/./+/-/_ characters.",
    ),
    "a broker that is not there": (
        {"REDIS_URL": "redis://127.0.0.1:1/0"},
        PASSWORD,
        "The broker cannot be used (Error 111 connecting to 127.0.0.1:1. Connection refused.). Look at REDIS_URL.",
    ),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.only_sqlite]


class Up:
    """A running `manage.py up` and what it has written."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = {"MOREH_DEMO_NODES": "2", "MOREH_DEMO_JOBS": "60", "MOREH_ADMIN_PASSWORD": PASSWORD, **env}
        self._log = folder / f"up-{time.monotonic_ns()}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.env, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, true: Callable[[], object], within: float) -> None:
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def ready(self) -> None:
        self.wait_for(lambda: "is ready after" in self.output or self.process.poll() is not None, READY_WITHIN)
        assert self.process.poll() is None, self.output

    def ended(self) -> int:
        self.wait_for(lambda: self.process.poll() is not None, READY_WITHIN)
        return self.process.returncode

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def check(self) -> dict[str, str]:
        with urlopen(f"http://127.0.0.1:{self.env['MOREH_HTTP_PORT']}/api/check", timeout=10) as answer:
            return {part: found["status"] for part, found in json.load(answer).items()}

    def rest(self, method: str, address: str) -> Any:
        """Ask REST as the administrator that `up` made."""
        port, login = self.env["MOREH_HTTP_PORT"], urlencode({"id": "admin", "password": PASSWORD}).encode()
        with urlopen(f"http://127.0.0.1:{port}/api/v2/auth/token", login, timeout=10) as answer:
            access = {"Authorization": f"Bearer {json.load(answer)['result']['access']}"}
        asked = Request(f"http://127.0.0.1:{port}/api/v2{address}", method=method, headers=access)
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - the line above says where to
            return json.load(answer)

    def parts(self) -> list[int]:
        """Return the processes of this installation, found by its data folder in their environment."""
        mark = f"MOREH_DATA_DIR={self.env['MOREH_DATA_DIR']}".encode()
        return [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in _environment(pid).split(b"\0")
        ]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@contextmanager
def _up(env: dict[str, str], folder: Path, **more: str) -> Iterator[Up]:
    up = Up({**env, **more}, folder)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def test_it_comes_up_green_stops_carries_on_leaves_nothing_and_says_what_died(
    empty_site_env: dict[str, str], tmp_path: Path
) -> None:
    """Three lives of one installation: to start all parts takes most of a test's time."""
    with _up(empty_site_env, tmp_path) as first:
        first.ready()
        first.wait_for(lambda: set(first.check().values()) == {"ok"}, TIMEOUT)
        assert "password  (as MOREH_ADMIN_PASSWORD says)\n" in first.output
        assert (
            f"mail      no server (MOREH_MAIL_URL); mails are files in {first.env['MOREH_DATA_DIR']}/mail\n"
            in first.output
        )
        assert "webhooks  may go to http:// and to this machine (demo; " in first.output
        assert "metrics " not in first.output
        assert PASSWORD not in first.output
        assert not [pid for pid in [first.process.pid, *first.parts()] if PASSWORD.encode() in _environment(pid)]
        _a_second_one_is_refused(first, tmp_path)
        _without_a_node_and_with_a_dead_bmc(first)
        first.wait_for(lambda: running(first) & told(first, "runs on"), TIMEOUT)
        jobs = running(first)
        assert first.stop() == 0
        assert first.parts() == []
    with _up(empty_site_env, tmp_path) as again:
        again.ready()
        assert "password  (unchanged; `manage.py create_operator admin` gives another)\n" in again.output
        assert PASSWORD not in again.output
        assert again.check()["ipmi"] == "degraded"
        assert sorted(node["name"] for node in again.rest("GET", "/backend")) == ["dead", "node-01"]
        again.wait_for(lambda: "node-02: This node key is not known. (UNAUTHENTICATED)" in again.output, TIMEOUT)
        again.wait_for(lambda: jobs & told(again, "(?:runs on|COMPLETED)"), TIMEOUT)
        again.process.kill()
        again.process.wait()
        again.wait_for(lambda: again.parts() == [], TIMEOUT)
    hosts = {"MOREH_HTTP_HOST": "127.0.0.2", "MOREH_GRPC_HOST": "[::1]", "http_proxy": "http://127.0.0.1:1"}
    hosts |= {"MOREH_REST_RATE": "1", "MOREH_REST_BURST": "1"}  # which everybody at this address shares
    with _up(empty_site_env, tmp_path, MOREH_DEMO_NODES="1", **hosts) as last:
        last.ready()
        assert f"admin     http://127.0.0.2:{last.env['MOREH_HTTP_PORT']}/admin/\n" in last.output
        assert f"gRPC      [::1]:{last.env['MOREH_GRPC_PORT']}\n" in last.output
        os.kill(_part(last, "grpc"), signal.SIGKILL)
        assert last.ended() == 1
        assert "grpc was killed by signal 9. Its last lines:" in last.output
        assert last.parts() == []


def running(up: Up) -> set[str]:
    """Return the jobs that run, as REST says."""
    return {str(job["id"]) for job in up.rest("GET", "/scheduler/queue") if job["status"] == "Running"}


def told(up: Up, what: str) -> set[str]:
    """Return the jobs of which the simulated customers have written this."""
    return set(re.findall(rf"job (\d+) {what}", up.output))


def _a_second_one_is_refused(first: Up, folder: Path) -> None:
    with _up(first.env, folder) as second:
        assert second.ended() == 1
        assert f"Another `up` (process {first.process.pid}) runs on" in second.output


def _without_a_node_and_with_a_dead_bmc(up: Up) -> None:
    (gone,) = [node["id"] for node in up.rest("GET", "/backend") if node["name"] == "node-02"]
    assert up.rest("DELETE", f"/backend?id={gone}&force=true") == {"code": "SUCCESS", "result": {}}
    dead = {"node": "127.0.3.1", "label": "dead", "group": 0, "workerip": "10.0.0.9", "user": "kim", "pwd": "x"}
    assert up.rest("POST", f"/backend?{urlencode(dead)}")["code"] == "SUCCESS"
    up.wait_for(lambda: up.check()["ipmi"] == "degraded", TIMEOUT)


@pytest.mark.parametrize("setting", ["MOREH_HTTP_PORT", "MOREH_GRPC_PORT"])
def test_a_taken_port_is_named_with_its_setting(site_env: dict[str, str], tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", int(site_env[setting]))), _up(site_env, tmp_path) as up:
        assert up.ended() == 1
        port = site_env[setting]
        assert up.output == (
            f"Not started: Port {port} on 127.0.0.1 cannot be used (Address already in use). "
            f"Choose another with {setting}.\n"
        )


@pytest.mark.parametrize("case", NOT_STARTED)
def test_what_cannot_be_started_is_said_with_the_setting_and_without_secrets(
    site_env: dict[str, str], tmp_path: Path, case: str
) -> None:
    settings, reason = NOT_STARTED[case]
    with _up(site_env, tmp_path, MOREH_DEMO_NODES="0", **settings) as up:
        assert up.ended() == 1
        assert f"Not started: {reason}\n" in up.output
        assert "Traceback" not in up.output
        assert "pssst" not in up.output


@pytest.mark.parametrize("case", NOT_PREPARED)
def test_what_cannot_be_prepared_is_said_with_the_setting(site_env: dict[str, str], case: str) -> None:
    settings, password, reason = NOT_PREPARED[case]
    env = {"MOREH_DEMO_NODES": "0", **site_env, **settings}
    done = subprocess.run(parts.PREPARE, cwd=ROOT, env=env, input=password, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"CommandError: {reason}\n"


def _part(up: Up, name: str) -> int:
    """Find the process of a part by its command."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in up.parts()}
    return next(pid for pid, words in commands.items() if b"manage.py" in words and name.encode() in words)
