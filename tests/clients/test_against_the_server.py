"""The clients' programs, each a process, against the product's own gRPC server: one day of a VM and a node."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from backends.models import Backend, Telemetry
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from sda.models import Sda
from tests import make
from tests.rpc.servers import Server, server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WAITS = "import os, sys; print(os.environ['MOREH_WORKERS'], flush=True); sys.stdin.readline(); sys.exit(7)"


class Day:
    """A server, a node of two devices with its agent, and a VM whose token has one SDA of both."""

    def __init__(self, to: Server, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.node, key = make.keyed_backend(2)
        self.sda = make.sda(2)
        (folder / "node.key").write_text(key)
        self._env = {"PATH": os.environ["PATH"], "MOREH_SERVER": to.address, "MOREH_TOKEN": self.sda.token.value}
        self.start_agent()
        make.wait_for(lambda: make.statuses(self.node) == ["IDLE", "IDLE"])

    def start_agent(self) -> None:
        options = ("--key-file", str(self._folder / "node.key"), "--state-dir", str(self._folder / "state"))
        self.agent = self._start("clients.agent.main", "--fake-devices", "2", *options)

    def run(self, *command: str) -> "subprocess.Popen[str]":
        process = self._start("clients.run.main", "--framework", "pytorch 2.4", "--", *command)
        make.wait_for(Job.objects.filter(status=JobStatus.WAITING).exists)
        tick(Job.objects.get().group_id)
        return process

    def tool(self, module: str, *arguments: str, typed: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self._env,
            input=typed,
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout + done.stderr

    def _start(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        line = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(line, cwd=ROOT, env=self._env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._stack.callback(_end, process)
        return process


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


@contextmanager
def a_day(folder: Path) -> Iterator[Day]:
    with ExitStack() as stack:
        yield Day(stack.enter_context(server()), folder, stack)


@pytest.fixture
def day(transactional_db: None, tmp_path: Path) -> Iterator[Day]:
    with a_day(tmp_path) as lived:
        yield lived


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def clean_again(node: Backend) -> bool:
    return make.statuses(node) == ["IDLE", "IDLE"]


def held(sda: Sda) -> int:
    return Allocation.objects.filter(sda=sda, ended_at=None).count()


def test_a_program_runs_is_seen_and_ends(day: Day) -> None:
    running = day.run(sys.executable, "-c", WAITS)
    host, _port = first_line(running).split(":")
    assert host == "127.0.0.1"
    job = Job.objects.get()
    assert (job.status, job.framework, held(day.sda)) == (JobStatus.RUNNING, "pytorch 2.4", 2)
    make.wait_for(lambda: Telemetry.objects.filter(utilization__gt=50).count() == 2, within=15)
    code, table = day.tool("clients.smi.main")
    assert code == 0
    assert f"{job.pk}" in table
    assert "running" in table
    assert day.node.name in day.tool("clients.smi.main", "-p")[1]
    code, refusal = day.tool("clients.smi.switch_model", "-M", "1")
    assert (code, refusal.strip().endswith("(SDA_IN_USE)")) == (1, True)
    assert "cannot be switched while in use" in refusal
    _output, errors = running.communicate("\n", timeout=30)
    assert running.returncode == 7
    assert errors.splitlines()[0] == "moreh-run: requesting…"
    assert errors.splitlines()[-1].startswith("moreh-run: failed: EXIT_CODE")
    job.refresh_from_db()
    assert (job.exit_code, held(day.sda)) == (7, 0)
    make.wait_for(lambda: clean_again(day.node))
    assert day.tool("clients.smi.switch_model", typed="1\n")[0] == 0


def test_reset_ends_the_program(day: Day) -> None:
    running = day.run(sys.executable, "-c", WAITS)
    first_line(running)
    assert day.tool("clients.smi.main", "-r") == (0, f"Stopped job {Job.objects.get().pk}.\n")
    running.wait(30)
    assert running.returncode == 125
    assert Job.objects.get().status == JobStatus.CANCELED
    make.wait_for(lambda: clean_again(day.node))


def test_ctrl_c_gives_the_devices_back(day: Day) -> None:
    running = day.run("sh", "-c", "echo up; exec sleep 60")
    assert first_line(running) == "up"
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    job = Job.objects.get()
    assert (job.status, job.cause) == (JobStatus.CANCELED, Cause.BY_USER)
    make.wait_for(lambda: clean_again(day.node))


def test_a_killed_agent_comes_back_and_the_node_heals(day: Day) -> None:
    running = day.run(sys.executable, "-c", WAITS)
    first_line(running)
    day.agent.kill()
    day.agent.wait()
    day.start_agent()
    make.wait_for(lambda: Job.objects.get().status != JobStatus.RUNNING, within=20)
    running.wait(30)
    job = Job.objects.get()
    assert (job.status, job.cause, running.returncode) == (JobStatus.FAILED, Cause.WORKER_ERROR, 125)
    make.wait_for(lambda: clean_again(day.node))
