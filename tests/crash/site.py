"""A whole installation in real processes that can be killed with -9 and started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from moreh_cloud.supervisor.child import LEASH
from moreh_cloud.supervisor.parts import BACKGROUND, WEB
from tests.crash.constants import BMC_PASSWORD, BMC_USER, DEVICES, SIZES

ROOT = Path(__file__).resolve().parents[2]
# Short, so that a case takes seconds; in the same order as the defaults.
TIMES = {
    "MOREH_SILENT_AFTER": "3",
    "MOREH_NODE_LOST_AFTER": "6",
    "MOREH_PRESENCE_GAP": "4",
    "MOREH_CLIENT_GRACE": "5",
    "MOREH_PREPARE_TIMEOUT": "8",
    "MOREH_CLEAN_TIMEOUT": "20",
    "MOREH_TICK_LEASE": "2",
    "MOREH_UNKNOWN_WORKER_GRACE": "20",
    "MOREH_GRPC_POLL": "1",
    "MOREH_POWER_DEADLINE": "3",
    "MOREH_POWER_LEASE": "4",
    "MOREH_POWER_FRESH": "2",
    "MOREH_OUTBOX_HTTP": "1",
    "MOREH_OUTBOX_NETWORKS": "127.0.0.0/8,::1/128",
}
SETTLED_WITHIN = 90.0  # seconds, on a busy machine
ON_ITS_WAY_S = 1.5  # what a client sent before it was killed has reached the database by then


class Site:
    """Starts, kills and watches the processes of one installation in `folder`."""

    def __init__(self, folder: Path, env: dict[str, str], broker: list[str], bmc_ports: list[int]) -> None:
        self.folder = folder
        self.env = {**env, **TIMES, "PYTHONPATH": str(ROOT), "CELERY_SKIP_CHECKS": "1"}
        self.server = f"127.0.0.1:{env['MOREH_GRPC_PORT']}"
        self.http_port = int(env["MOREH_HTTP_PORT"])
        self.commands = {"broker": broker, "web": WEB, **BACKGROUND}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.orders: dict[str, dict[str, str]] = {}  # what a process is to do, in its environment
        self.received: list[Path] = []
        self.requests: list[str] = []
        self.start("broker")
        self._judge = self._popen("judge", [sys.executable, "-m", "tests.crash.judge"], pipe=subprocess.PIPE)
        self.secrets = self.ask("seed", bmc_ports=bmc_ports)
        for node in self.secrets["nodes"]:
            self.commands[node["name"]] = [sys.executable, "-m", "tests.crash.node"]
        self.nodes = [node["name"] for node in self.secrets["nodes"]]

    def start(self, name: str) -> None:
        """Start one process; its output goes to a file."""
        env = self.orders.get(name, {})
        for node in self.secrets["nodes"] if name.startswith("crash-") else ():
            if node["name"] == name:
                more = {"server": self.server, "folder": str(self.folder), "devices": DEVICES}
                env["CRASH_NODE"] = json.dumps({**node, **more, "user": BMC_USER, "password": BMC_PASSWORD})
        self.running[name] = self._popen(name, self.commands[name], env)

    def kill(self, name: str) -> None:
        """kill -9, of this process alone."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def kill_all_of(self, name: str) -> None:
        """kill -9 of a process and all that it has started."""
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running.pop(name).wait()

    def kill_and_start(self, name: str, down: float) -> None:
        """Let a process be away for `down` seconds."""
        self.kill(name)
        time.sleep(down)
        self.start(name)

    def ask(self, verb: str, **given: Any) -> Any:
        """Send a verb to the judge; return its result."""
        assert self._judge.stdin is not None
        assert self._judge.stdout is not None
        self._judge.stdin.write(json.dumps({"do": verb, **given}).encode() + b"\n")
        self._judge.stdin.flush()
        line = self._judge.stdout.readline()
        if not line:
            raise RuntimeError(self.log_of("judge"))
        return json.loads(line)

    def load(self, chance: random.Random, jobs: int = 10, shortest: float = 0.1, longest: float = 1.5) -> str:
        """Start a process of VM clients with this many short jobs; return its name."""
        name = f"customers-{len(self.received)}"
        received = self.folder / f"{name}.received"
        runs: list[tuple[str, int, float]] = [
            (str(uuid.uuid4()), chance.randrange(len(SIZES)), chance.uniform(shortest, longest)) for _ in range(jobs)
        ]
        order = {
            "tokens": self.secrets["tokens"],
            "server": self.server,
            "received": str(received),
            "jobs": runs,
        }
        self.orders[name] = {"CRASH_JOBS": json.dumps(order)}
        self.commands[name] = [sys.executable, "-m", "tests.crash.customers"]
        self.received.append(received)
        self.requests = [request for request, _token, _seconds in runs]
        self.start(name)
        return name

    def act(self, name: str, **order: Any) -> None:
        """Start a process that acts by itself, with its order in its environment."""
        self.orders[name] = {f"CRASH_{name.upper()}": json.dumps(order)}
        self.commands[name] = [sys.executable, "-m", f"tests.crash.{name}"]
        self.start(name)

    def statuses(self) -> set[tuple[str, str]]:
        """Return status and cause of the last load's jobs; every one of them was accepted."""
        found = self.ask("jobs", requests=self.requests)
        assert sorted(found) == sorted(self.requests)
        print(*((job, detail) for job, _status, _cause, detail in found.values() if detail), sep="\n")
        return {(status, cause) for _job, status, cause, _detail in found.values()}

    def wait(self, true: Callable[[], object], within: float = SETTLED_WITHIN) -> None:
        """Wait until something is so. Raises TimeoutError."""
        deadline = time.monotonic() + within
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.ask('restless')}\n{self.logs()}")
            time.sleep(0.1)

    def settle(self, customers: str | None = None) -> list[str]:
        """Wait until the clients have gone and all has come to rest; return every broken invariant."""
        if customers:
            self.wait(lambda: self.running[customers].poll() is not None)
            assert self.running.pop(customers).returncode == 0, self.log_of(customers)
        with suppress(TimeoutError):
            self.wait(lambda: self._rests(0 if customers else ON_ITS_WAY_S))
        problems = list(self.ask("broken", received=[line for file in self.received for line in _lines(file)]))
        problems += [problem for name in self.nodes for problem in _witnessed(name, self.witness(name))]
        return [*problems, self.logs()] if problems else []

    def _rests(self, quiet_s: float) -> bool:
        """Whether nothing changes, now and after a while: what a killed client sent may still arrive."""
        if self.ask("restless"):
            return False
        time.sleep(quiet_s)
        return not (quiet_s and self.ask("restless"))

    def witness(self, node: str) -> list[dict[str, Any]]:
        """Read what a node itself has written down."""
        return _lines(self.folder / f"{node}.witness")

    def jobs_on(self, node: str) -> set[int]:
        """Return the jobs whose workers are on a node now, by its own book."""
        present: dict[int, int] = {}
        for line in self.witness(node):
            if "start" in line:
                present[line["start"]] = line["job"]
            present = {} if "boot" in line else {w: job for w, job in present.items() if w != line.get("gone")}
        return set(present.values())

    def log_of(self, name: str, since: int = 0) -> str:
        """Return the end of a log, of what was written after its first `since` characters."""
        return (self.folder / f"{name}.log").read_text()[since:][-3000:]

    def size_of_log(self, name: str) -> int:
        """Return how many characters a log has."""
        return len((self.folder / f"{name}.log").read_text())

    def logs(self) -> str:
        """Return the end of every log, for the report of a failure."""
        return "\n".join(f"== {file.stem}\n{file.read_text()[-1500:]}" for file in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End everything that was started."""
        for process in [*self.running.values(), self._judge]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def _popen(
        self, name: str, command: list[str], env: dict[str, str] | None = None, pipe: int | None = None
    ) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-IS", str(LEASH), str(os.getpid()), *command],  # gone when the tests are killed
                env={**self.env, **(env or {})},
                cwd=ROOT,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                process_group=0,
            )


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in file.read_text().splitlines()] if file.exists() else []


def _witnessed(node: str, book: list[dict[str, Any]]) -> list[str]:
    """Replay a node's book: each worker is started once, and none where another one is."""
    problems: list[str] = []
    started: set[int] = set()
    present: dict[int, list[int]] = {}
    for line in book:
        if "boot" in line:
            present = {}  # fake workers end with the process
        elif "start" in line:
            worker = line["start"]
            if worker in started:
                problems.append(f"{node} started worker {worker} twice")
            if any(set(line["devices"]) & set(held) for held in present.values()):
                problems.append(f"{node} started worker {worker} on devices that another one had")
            started.add(worker)
            present[worker] = line["devices"]
        elif "gone" in line:
            present.pop(line["gone"], None)
    return problems
