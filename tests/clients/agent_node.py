"""A simulated node with its agent, against a manager in memory."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from clients.agent import Agent, FakeDevices, FakeRunner
from clients.backoff import Backoff
from clients.channel import Server
from tests.clients.agent_peer import KEY, Manager, manager

Story = Callable[["Node", Manager], Coroutine[None, None, None]]


def stories(names: Mapping[str, Any]) -> dict[str, Story]:
    """Return the private coroutine functions of a module, by their names as sentences."""
    return {
        name.removeprefix("_").replace("_", " "): story
        for name, story in names.items()
        if name.startswith("_") and inspect.iscoroutinefunction(story)
    }


def carry_out(story: Story, folder: Path) -> None:
    """Run a story with a node and a manager of its own."""

    async def run() -> None:
        async with world(folder) as (node, served):
            await story(node, served)

    asyncio.run(run())


class Node:
    """A simulated node: its folder stays, its agent comes and goes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.server = Server(f"127.0.0.1:{port}")
        self.devices = FakeDevices(8, seed=1)
        self.runner = FakeRunner()
        self.agent = self.make()

    def make(self, key: str = KEY) -> Agent:
        self.runner = FakeRunner()
        backoff = Backoff(first=0.02, longest=0.1)
        return Agent(self.server, key, self.folder, self.devices, self.runner, host_name="node01", backoff=backoff)

    async def boot(self) -> None:
        self.agent = self.make()
        await self.agent.start()


@contextlib.asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Node, Manager]]:
    async with manager() as served:
        node = Node(folder / "node01", served.port)
        await node.boot()
        try:
            yield node, served
        finally:
            await node.agent.abandon()


async def answer_of(address: str) -> str:
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    line = await reader.readline()
    writer.close()
    return line.decode().strip()


async def nobody_at(address: str) -> bool:
    try:
        await answer_of(address)
    except OSError:
        return True
    return False
