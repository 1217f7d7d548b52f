"""A trace replayed by real clients and agents over real channels; only the worker's tick is a loop of ours."""

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alerts.models import Alert
from backends.models import Backend, BackendGroup, Bmc, Device
from core.clock import to_ms
from fleet.trace.nodes import live_group
from scheduler.choices import JobStatus
from scheduler.models import Allocation, Job, Worker
from scheduler.reconcile import reconcile
from scheduler.work import tick_all
from tests import make
from tests.rpc.servers import Server, server
from tests.scheduler.replay.files import DATA, JOB_COLUMNS, NODE_COLUMNS
from usage.audit import audit_usage
from usage.invariants import overlapping

if TYPE_CHECKING:
    from clients.agent import Agent

pytestmark = pytest.mark.django_db(transaction=True)
TICK = 0.05  # seconds


@pytest.fixture
def manager(transactional_db: None) -> Iterator[Server]:
    with server() as running, _ticking():
        yield running


@contextmanager
def _ticking() -> Iterator[None]:
    """Do what the beat and the worker do."""
    over = threading.Event()

    def tick_on() -> None:
        while not over.wait(TICK):
            tick_all()
        connection.close()

    thread = threading.Thread(target=tick_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def replay_live(manager: Server, nodes: Path, jobs: Path, *arguments: str) -> str:
    out = StringIO()
    options = [f"--nodes={nodes}", f"--jobs={jobs}", f"--server={manager.address}", *arguments]
    call_command("import_trace", "--live", *options, stdout=out)
    return out.getvalue()


def _write(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def fifty_jobs(folder: Path) -> tuple[Path, Path]:
    """Three nodes with 14 devices, and 50 jobs of 1 to 12 devices that are asked for within 100 s of trace time."""
    random = Random(50)  # noqa: S311
    nodes = [[f"node-{i}", 1, 1, size, "G2"] for i, size in enumerate([8, 4, 2])]
    jobs = []
    for i in range(50):
        asked, devices = random.randrange(100), random.choice([1, 1, 1, 1, 2, 4, 8, 12])
        ended = asked + random.randrange(60)
        jobs.append([f"pod-{i}", devices, 1000, random.choice(["LS", "BE"]), "Succeeded", asked, ended, asked])
    return _write(folder / "nodes.csv", NODE_COLUMNS, nodes), _write(folder / "jobs.csv", JOB_COLUMNS, jobs)


@pytest.mark.only_sqlite  # the same on both, and slow
def test_fifty_jobs_on_nodes_of_their_own(manager: Server, tmp_path: Path) -> None:
    said = replay_live(manager, *fifty_jobs(tmp_path), "--agents", "--speed=100").splitlines()
    held = Allocation.objects.values_list("started_at", "ended_at")
    device_ms = sum(to_ms(end) - to_ms(start) for start, end in held if end)
    assert said[0] == "3 nodes are up"
    assert said[-1].startswith("50 jobs asked for in ")
    assert said[-1].endswith(
        f" s: 50 accepted, 50 ran, 50 completed, 0 lost; 0 too large for the nodes. "
        f"Device-seconds held: {device_ms / 1000:,}."
    )
    assert list(Job.objects.values_list("status", flat=True)) == [JobStatus.COMPLETED] * 50
    assert {job.num_devices for job in Job.objects.all()} == {1, 2, 4, 8, 12}
    assert not overlapping().exists()
    assert audit_usage().differences == []
    assert reconcile() == []
    assert set(Worker.objects.values_list("state", flat=True)) == {"GONE"}
    assert set(Device.objects.values_list("status", "why")) == {("SHUTDOWN", "OPERATOR")}  # their nodes are deleted
    assert (Backend.objects.live().count(), Backend.objects.count(), Alert.objects.count()) == (0, 3, 0)
    assert Bmc.objects.values("port").distinct().count() == 3


def test_each_job_runs_as_long_as_its_task_did_at_this_speed(manager: Server) -> None:
    replay_live(manager, DATA / "nodes.csv", DATA / "alibaba.csv", "--agents", "--speed=100")
    for job in Job.objects.all():
        assert job.started_at
        assert job.ended_at
        task = {"whole-node": 1000, "two": 500, "share": 100, "best-effort": 200, "overtakes": 100, "over-at-once": 0}
        ran_ms = to_ms(job.ended_at) - to_ms(job.started_at)
        assert task[job.process_name] - 50 <= ran_ms < task[job.process_name] + 1500


def test_twice_takes_the_same_customers_and_new_nodes(manager: Server) -> None:
    for _turn in range(2):
        said = replay_live(manager, DATA / "nodes.csv", DATA / "alibaba.csv", "--agents", "--speed=1000", "--limit=3")
        assert "3 jobs asked for" in said
    assert Job.objects.filter(status=JobStatus.COMPLETED).count() == 6
    assert Job.objects.values("token").distinct().count() == 3
    assert (BackendGroup.objects.filter(name="live").count(), Backend.objects.count()) == (1, 4)


def test_nodes_that_a_killed_replay_has_left_are_deleted(manager: Server) -> None:
    left = make.backend(2, group=live_group("live"), name="node-a")
    replay_live(manager, DATA / "nodes.csv", DATA / "alibaba.csv", "--agents", "--speed=1000", "--limit=1")
    left.refresh_from_db()
    assert left.deleted_at
    assert list(Job.objects.values_list("status", flat=True)) == [JobStatus.COMPLETED]


def test_on_nodes_that_are_there_already(manager: Server, tmp_path: Path) -> None:
    """The agents of a group that an operator made take the jobs; the job that fits none of its nodes is left out."""
    node, key = make.keyed_backend(8)
    with _agent(manager, key, tmp_path):
        make.wait_for(lambda: make.statuses(node) == ["IDLE"] * 8)
        said = replay_live(manager, DATA / "nodes.csv", DATA / "alibaba.csv", "--speed=1000")
    assert "6 accepted, 6 ran, 6 completed, 0 lost; 1 too large for the nodes." in said
    assert set(Allocation.objects.values_list("device__backend", flat=True)) == {node.pk}
    assert Backend.objects.live().count() == 1


@contextmanager
def _agent(manager: Server, key: str, folder: Path) -> Iterator["Agent"]:
    from clients.agent import Agent, FakeDevices
    from clients.channel import Server as Address

    async def make_agent() -> Agent:
        agent = Agent(Address(manager.address), key, folder, FakeDevices(8))
        await agent.start()
        return agent

    agent = manager.run(make_agent())
    try:
        yield agent
    finally:
        manager.run(agent.stop())


REFUSALS = {
    "no such group": (["--group=nowhere"], "There is no backend group 'nowhere'."),
    "a speed of nothing": (["--speed=0"], "the speed is a number above 0"),
    "a limit of nothing": (["--limit=0"], "argument --limit: '0' is not a whole number from 1"),
    "a group that is something else": (["--agents", "--prefix=default_backend_group"], "choose another --prefix"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    arguments, wanted = REFUSALS[case]
    with pytest.raises(CommandError) as caught:
        call_command(
            "import_trace", f"--nodes={DATA / 'nodes.csv'}", f"--jobs={DATA / 'alibaba.csv'}", "--live", *arguments
        )
    assert wanted in str(caught.value)
    assert Job.objects.count() == 0
