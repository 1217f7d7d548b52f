"""An agent that measures how long each of its reports takes to its row."""

import asyncio
import os
import time
from itertools import count
from pathlib import Path

import psycopg

from benchmarks.agents.nodes import key_of, telemetry
from benchmarks.agents.probe import LOOK_EVERY, PAUSE, VALUE
from clients.agent import Agent, FakeDevices, ProcessRunner
from clients.channel import Server
from protocol.v1 import agents_pb2 as pb


class MeasuredAgent(Agent):
    """The real agent, but for its reports: each has another value, which is looked for before the next is sent."""

    def __init__(self, server: Server, state: Path, devices: FakeDevices, runner: ProcessRunner) -> None:
        super().__init__(server, key_of(0), state, devices, runner)
        self.seconds: list[float] = []

    async def _report_for_ever(self, _welcome: pb.Welcome) -> None:
        url = os.environ["DATABASE_URL"]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            for value in count(1):
                begun = time.monotonic()
                workers = [worker.worker_id for worker in self.workers()]
                report = pb.Report(devices=telemetry(value, 40), health=pb.Health(ok=True), worker_ids=workers)
                self._send(pb.AgentMessage(report=report))
                while await self._stored(connection) != value:
                    await asyncio.sleep(LOOK_EVERY)
                self.seconds.append(time.monotonic() - begun)
                await asyncio.sleep(PAUSE)

    async def _stored(self, connection: "psycopg.AsyncConnection[tuple[int]]") -> int | None:
        row = await (await connection.execute(VALUE, ["node0"])).fetchone()
        return row[0] if row else None


def written_mb(pid: int) -> float:
    """Return how much a process has written, MB."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["wchar"]) / 1e6


def disk_mib(folder: Path) -> float:
    """Return what the files in a folder take, MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*.log")) / 2**20
