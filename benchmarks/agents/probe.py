"""One more agent, whose reports are looked for in the database: how long a report takes from the node to its row."""

import asyncio
import time
from itertools import count

import psycopg

from benchmarks.agents.nodes import Agent, Tally, telemetry
from clients.channel import Server
from clients.outbox import Outbox
from protocol.v1 import agents_pb2 as pb

LOOK_EVERY = 0.002  # seconds
PAUSE = 0.05  # seconds between two reports
VALUE = """SELECT used_memory FROM backends_telemetry JOIN backends_device ON device_id = backends_device.id
    JOIN backends_backend ON backend_id = backends_backend.id WHERE name = %s AND index = 0"""


class Probe(Agent):
    """An agent that sends a report, waits for its row, and sends the next one."""

    def __init__(self, number: int, server: Server, url: str) -> None:
        super().__init__(number, server, Tally())
        self._name = f"node{number}"
        self._url = url
        self.seconds: list[float] = []

    async def _report(self, outbox: Outbox[pb.AgentMessage], pause: float) -> None:  # noqa: ARG002 - it is faster than it is asked to be
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            for value in count(1):
                begun = time.monotonic()
                self._send(outbox, report=pb.Report(devices=telemetry(value, 40), health=pb.Health(ok=True)))
                while await self._stored(connection) != value:
                    await asyncio.sleep(LOOK_EVERY)
                self.seconds.append(time.monotonic() - begun)
                await asyncio.sleep(PAUSE)

    async def _stored(self, connection: "psycopg.AsyncConnection[tuple[int]]") -> int | None:
        cursor = await connection.execute(VALUE, [self._name])
        row = await cursor.fetchone()
        return row[0] if row else None


def probe(address: str, number: int, url: str, seconds: float) -> list[float]:
    """Return how many seconds each report of this agent took to its row, during some seconds."""

    async def run() -> list[float]:
        agent = Probe(number, Server(address), url)
        living = asyncio.create_task(agent.live())
        await asyncio.sleep(seconds)
        living.cancel()
        return agent.seconds

    return asyncio.run(run())
