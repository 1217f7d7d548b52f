"""Workers that are real processes, and what becomes of them when their agent dies."""

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients import proc
from clients.agent import Agent, FakeDevices, ProcessRunner
from clients.backoff import Backoff
from clients.channel import Server
from tests.clients.agent_peer import KEY, Manager, clean, manager, start, stop

WORKER = """
import json, os, socketserver, subprocess, sys, time
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(json.dumps(dict(os.environ)).encode())
class Server(socketserver.TCPServer):
    allow_reuse_address = True
print("hello from the worker", flush=True)
exec(os.environ.get("BEFORE", ""))
Server(("127.0.0.1", int(os.environ["MOREH_WORKER_PORT"])), Answer).serve_forever()
"""
SERVE_IPV6 = """
Server.address_family = 10
Server(("::1", int(os.environ["MOREH_WORKER_PORT"])), Answer).serve_forever()
"""
STRAY = "subprocess.Popen(['sleep', '60'], start_new_session=True)"


class Node:
    """A node whose workers are processes."""

    def __init__(self, folder: Path, port: int, host: str) -> None:
        self.folder, self.host = folder, host
        self.server = Server(f"127.0.0.1:{port}")
        script = folder / "worker.py"
        script.write_text(WORKER)
        self.command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"

    async def boot(self) -> None:
        self.runner = ProcessRunner(self.command, self.folder / "state" / "workers", self.host)
        backoff = Backoff(first=0.02, longest=0.1)
        state = self.folder / "state"
        self.agent = Agent(self.server, KEY, state, FakeDevices(4), self.runner, backoff=backoff)
        await self.agent.start()

    def ours(self) -> dict[int, int]:
        return proc.marked(self.agent._journal.instance_id)


@asynccontextmanager
async def world(folder: Path, host: str = "127.0.0.1") -> AsyncIterator[tuple[Node, Manager]]:
    async with manager() as served:
        node = Node(folder, served.port, host)
        await node.boot()
        await served.hello()
        try:
            yield node, served
        finally:
            mark = node.agent._journal.instance_id
            await node.agent.abandon()
            for pid in proc.marked(mark):
                os.kill(pid, signal.SIGKILL)
            for child in node.runner._children.values():
                child.wait()


async def environment_of(address: str) -> dict[str, str]:
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    found: dict[str, str] = json.loads(await reader.read())
    writer.close()
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    return tmp_path


def test_a_worker_knows_its_devices_and_nothing_of_its_agent(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            env = {"PYTHONUNBUFFERED": "1", "MOREH_WORKER_ID": "forged"}
            started = await served.result(served.order(start(5, 50, (1, 3), env=env)))
            assert (started.ok, started.error) == (True, "")
            found = await environment_of(started.address)
            assert {name: found[name] for name in ("MOREH_WORKER_ID", "MOREH_JOB_ID", "MOREH_DEVICES")} == {
                "MOREH_WORKER_ID": "5",
                "MOREH_JOB_ID": "50",
                "MOREH_DEVICES": "1,3",
            }
            assert (found["ROCR_VISIBLE_DEVICES"], found["CUDA_VISIBLE_DEVICES"]) == ("1,3", "1,3")
            assert found["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
            assert found["PYTHONUNBUFFERED"] == "1"
            assert "SECRET_OF_THE_AGENT" not in found
            assert (await served.result(served.order(stop(5)))).ok
            assert node.ours() == {}

    asyncio.run(tell())


def test_a_worker_outlives_its_agent_and_is_taken_over(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            started = await served.result(served.order(start(5, 50)))
            children = node.runner._children
            await node.agent.abandon()
            assert (await environment_of(started.address))["MOREH_WORKER_ID"] == "5"
            served.expect((5, 50))
            await node.boot()
            hello = await served.hello(2)
            assert [(w.worker_id, w.job_id, w.address) for w in hello.workers] == [(5, 50, started.address)]
            [pid] = node.ours()
            os.kill(pid, signal.SIGKILL)
            lost = (await served.until(lambda message: message.HasField("worker_lost"))).worker_lost
            assert (lost.worker_id, lost.HasField("exit_code"), lost.detail) == (5, False, "it ended")
            children.pop(5).wait()

    asyncio.run(tell())


SLOW_START = "p = subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(1.5); p.kill()"


def test_a_worker_half_started_is_waited_for_by_the_next_agent(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            order = served.order(start(5, 50, (1, 3), env={"BEFORE": SLOW_START}))
            await served.reported(lambda report: list(report.worker_ids) == [5])
            while len(node.ours()) < 2:  # the worker, and one that it has started
                await asyncio.sleep(0.02)
            [leader, _] = sorted(node.ours(), key=lambda pid: -proc.age(pid))
            children = node.runner._children
            await node.agent.abandon()
            served.expect((5, 50))
            await node.boot()
            [half_started] = (await served.hello(2)).workers
            assert (half_started.worker_id, half_started.job_id, half_started.address) == (5, 50, "")
            assert list(half_started.device_indexes) == [1, 3]
            result = await served.result(served.order(order))
            assert (result.ok, result.error) == (True, "")
            assert (await environment_of(result.address))["MOREH_WORKER_ID"] == "5"
            assert [worker.pid for worker in node.agent.workers()] == [leader]
            assert list(node.ours()) == [leader]
            assert (await served.result(served.order(stop(5)))).ok
            assert node.ours() == {}
            children.pop(5).wait()

    asyncio.run(tell())


def test_a_worker_half_started_that_ends_without_an_agent_is_not_started_again(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            order = served.order(start(5, 50, env={"BEFORE": "time.sleep(60)"}))
            await served.reported(lambda report: list(report.worker_ids) == [5])
            [pid] = node.ours()
            children = node.runner._children
            await node.agent.abandon()
            os.kill(pid, signal.SIGKILL)
            children.pop(5).wait()  # a process that is still ending is seen
            await node.boot()
            assert node.ours() == {}
            await served.hello(2)
            assert (await served.result(served.order(order))).error == "the agent ended before the worker was ready"

    asyncio.run(tell())


def test_a_worker_starts_on_a_node_with_an_ipv6_address(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder, "::1") as (_node, served):
            result = await served.result(served.order(start(5, 50, env={"BEFORE": SERVE_IPV6})))
            assert (result.error, result.address[:6]) == ("", "[::1]:")
            assert (await environment_of(result.address))["MOREH_WORKER_PORT"] == result.address[6:]

    asyncio.run(tell())


def test_a_worker_that_ends_at_once_says_how(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (_node, served):
            result = await served.result(served.order(start(5, 50, env={"BEFORE": "sys.exit(3)"})))
            assert (result.ok, result.error) == (False, "worker 5 ended before it was ready, exit code 3")
            assert not [message for message in served.heard if message.HasField("worker_lost")]

    asyncio.run(tell())


def test_a_worker_that_dies_later_is_lost_with_its_exit_code(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            await served.result(served.order(start(5, 50)))
            [pid] = node.ours()
            os.kill(pid, signal.SIGSEGV)
            lost = (await served.until(lambda message: message.HasField("worker_lost"))).worker_lost
            assert (lost.worker_id, lost.exit_code) == (5, -signal.SIGSEGV)

    asyncio.run(tell())


def test_cleaning_finds_what_ran_away_from_its_worker(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            await served.result(served.order(start(5, 50, env={"BEFORE": STRAY})))
            assert len(node.ours()) == 2
            await served.result(served.order(stop(5)))
            assert len(node.ours()) == 1
            assert (await served.result(served.order(clean(0, 1, worker=5)))).ok
            assert node.ours() == {}

    asyncio.run(tell())


ODD = "subprocess.Popen(['sleep', '60'], start_new_session=True, env={**os.environ, 'MOREH_WORKER_ID': '%s'})"


@pytest.mark.parametrize("named", ["mine", "\u00b2", "-1", "9" * 5000, ""])
def test_what_a_worker_writes_into_the_environment_of_others_stops_neither_cleaning_nor_the_next_agent(
    folder: Path, named: str
) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            await served.result(served.order(start(5, 50, env={"BEFORE": ODD % named})))
            assert sorted(node.ours().values()) == [0, 5]
            assert (await served.result(served.order(clean(2)))).ok
            assert [*node.ours().values()] == [5]
            await served.result(served.order(start(6, 60, (2,), env={"BEFORE": ODD % named})))
            children = node.runner._children
            await node.agent.abandon()
            served.expect((5, 50), (6, 60))
            await node.boot()
            assert sorted(worker.worker_id for worker in (await served.hello(2)).workers) == [5, 6]
            assert sorted(node.ours().values()) == [5, 6]
            for pid in node.ours():
                os.kill(pid, signal.SIGKILL)
            for child in children.values():
                child.wait()

    asyncio.run(tell())


def test_a_process_that_does_not_end_makes_the_next_agent_sick_and_not_dead(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell() -> None:
        async with world(folder) as (node, served):
            await served.result(served.order(start(5, 50, env={"BEFORE": ODD % "mine"})))
            [stuck] = [pid for pid, worker in node.ours().items() if not worker]
            children = node.runner._children
            await node.agent.abandon()
            served.expect((5, 50))
            with monkeypatch.context() as driver:  # a process in a sick driver does not hear SIGKILL
                driver.setattr("clients.agent.processes.GONE_WITHIN", 0.1)
                driver.setattr(os, "kill", lambda _pid, _number: None)
                await node.boot()
            assert [worker.worker_id for worker in (await served.hello(2)).workers] == [5]
            report = await served.reported(lambda report: report.HasField("health") and not report.health.ok)
            assert report.health.text == f"processes {stuck} do not end"
            for pid in node.ours():
                os.kill(pid, signal.SIGKILL)
            children.pop(5).wait()

    asyncio.run(tell())


def test_a_worker_that_ignores_sigterm_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.agent.processes.STOP_WITHIN", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"

    async def tell() -> None:
        async with world(folder) as (node, served):
            await served.result(served.order(start(5, 50, env={"BEFORE": deaf})))
            assert (await served.result(served.order(stop(5)))).ok
            assert node.ours() == {}

    asyncio.run(tell())


def test_a_command_that_is_not_there_is_named(folder: Path) -> None:
    async def tell() -> None:
        async with world(folder) as (_node, served):
            result = await served.result(served.order(start(5, 50, version={"worker_command": "/no/such/worker"})))
            assert not result.ok
            assert "/no/such/worker" in result.error

    asyncio.run(tell())
