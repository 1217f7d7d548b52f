"""A trace's nodes, simulated: agents and BMCs on loopback, there for one replay and deleted after it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import DeviceStatus
from backends.models import Backend, BackendGroup, Device
from backends.power.driver import BmcAddress
from backends.power.simulator import SimulatedBmc, start_bmc
from backends.services.groups import create_backend_group
from backends.services.nodes import create_backend
from clients.agent import Agent, FakeDevices
from clients.backoff import Backoff
from clients.channel import Server
from core.errors import Duplicate
from fleet.trace.customers import TRACE
from scheduler.replay.trace import TraceNode
from scheduler.services.nodes import delete_backend

T = TypeVar("T")
LOOPBACK = "127.0.0.1"
BATCH = 50  # nodes that are made in one transaction, for which others wait, and greeted at once
WELCOME = 60.0  # seconds in which the manager greets a batch of agents
CLEAN = 30.0  # seconds in which the agents clean up after the last job
MARK = "Nodes of a trace's live replay"


def live_group(prefix: str) -> BackendGroup:
    """Make the group of the simulated nodes, or find it. Raises Duplicate when the name is taken."""
    known: BackendGroup | None = BackendGroup.objects.live().filter(name=prefix).first()
    if known and known.description != MARK:
        raise Duplicate(
            _("There is a backend group of this name that holds something else; choose another --prefix."),
            label=prefix,
        )
    return known or create_backend_group(name=prefix, description=MARK, actor=TRACE)


@asynccontextmanager
async def simulated(
    nodes: Sequence[TraceNode], group: BackendGroup, server: Server, folder: Path
) -> AsyncIterator[None]:
    """Run nodes with an agent and a BMC each; at the end their devices are clean and the nodes deleted.

    Raises TimeoutError when the server does not greet them, DomainError for a node that cannot be made.
    """
    await _delete_nodes(group)  # those of a replay that was killed
    agents: list[Agent] = []
    with ExitStack() as stack:
        try:
            bmcs = [await _start_bmc(stack) for _node in nodes]
            keys = await _make_nodes(nodes, bmcs, group)
            agents = [_agent(node, keys[node.name], server, folder / str(i)) for i, node in enumerate(nodes)]
            for first in range(0, len(agents), BATCH):
                await _start(agents[first : first + BATCH])
            yield
            await _wait_until_clean(group)
        finally:
            await asyncio.gather(*(agent.stop() for agent in agents))
            await _delete_nodes(group)


async def _start(agents: Sequence[Agent]) -> None:
    """Start agents and wait until the manager has greeted them: more agents at once would only retry."""
    for agent in agents:
        await agent.start()
    async with asyncio.timeout(WELCOME):
        await asyncio.gather(*(agent.welcomed.wait() for agent in agents))


async def _start_bmc(stack: ExitStack) -> SimulatedBmc:
    bmc = SimulatedBmc(b"trace", secrets.token_hex(8).encode())
    stack.callback(bmc.close)
    return await start_bmc(bmc, BmcAddress(LOOPBACK, 0))


def _agent(node: TraceNode, key: str, server: Server, folder: Path) -> Agent:
    devices = FakeDevices(node.devices)
    return Agent(server, key, folder, devices, host_name=node.name, backoff=Backoff(longest=3.0))


async def _make_nodes(nodes: Sequence[TraceNode], bmcs: Sequence[SimulatedBmc], group: BackendGroup) -> dict[str, str]:
    """Make the nodes, and give the keys of their agents, by name."""
    keys: dict[str, str] = {}
    for first in range(0, len(nodes), BATCH):
        places = slice(first, first + BATCH)
        keys |= await _in_thread(_make_batch, nodes[places], bmcs[places], group)
    return keys


@transaction.atomic
def _make_batch(nodes: Sequence[TraceNode], bmcs: Sequence[SimulatedBmc], group: BackendGroup) -> dict[str, str]:
    return {node.name: _make_node(node, bmc, group) for node, bmc in zip(nodes, bmcs, strict=True)}


def _make_node(node: TraceNode, bmc: SimulatedBmc, group: BackendGroup) -> str:
    _backend, key = create_backend(
        name=node.name,
        ip=LOOPBACK,
        bmc_ip=LOOPBACK,
        bmc_port=bmc.address.port,
        bmc_user=bmc.user.decode(),
        bmc_password=bmc.password.decode(),
        group=group,
        devices=node.devices,
        description="simulated",
        actor=TRACE,
    )
    return key


async def _delete_nodes(group: BackendGroup) -> None:
    """Delete the group's nodes; jobs that still hold their devices end with them."""
    while await _in_thread(_delete_batch, group):
        pass


@transaction.atomic
def _delete_batch(group: BackendGroup) -> bool:
    batch = list(Backend.objects.live().filter(group=group)[:BATCH])
    for backend in batch:
        delete_backend(backend, force=True, actor=TRACE)
    return bool(batch)


async def _wait_until_clean(group: BackendGroup) -> None:
    """Wait until the agents have carried out their last orders; one that was lost only delays us."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLEAN):
            while await _in_thread(_any_used, group):
                await asyncio.sleep(0.2)


def _any_used(group: BackendGroup) -> bool:
    live = Device.objects.filter(backend__group=group, backend__deleted_at__isnull=True)
    return live.exclude(status__in=(DeviceStatus.IDLE, DeviceStatus.SHUTDOWN)).exists()


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    """Call what uses the database beside the event loop; the thread keeps no connection."""

    def call() -> T:
        try:
            return work(*args)
        finally:
            connection.close()

    return await asyncio.to_thread(call)
