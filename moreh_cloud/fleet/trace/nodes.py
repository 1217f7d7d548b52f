"""A trace's nodes, simulated: agents and BMCs on loopback, there for one replay and deleted after it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import DeviceStatus
from backends.models import Backend, BackendGroup, Device
from backends.power.driver import BmcAddress
from backends.power.simulator import SimulatedBmc, start_bmc
from backends.services.groups import create_backend_group
from backends.services.nodes import create_backend
from clients.agent import Agent, FakeDevices
from clients.channel import Server
from clients.patience import Backoff
from moreh_cloud.fleet.trace.customers import TRACE
from moreh_cloud.lib.errors import Duplicate
from moreh_cloud.lib.rpc import in_thread
from scheduler.replay.trace import TraceNode
from scheduler.services.sdas import delete_backend

LOOPBACK = "127.0.0.1"
BATCH = 50  # nodes in one transaction, for which others wait
WELCOME = 60.0  # seconds in which the manager has greeted every agent
CLEAN = 30.0  # seconds in which the agents have cleaned up after the last job
MARK = "Nodes of a trace's live replay"


def live_group(prefix: str) -> BackendGroup:
    """Make the group of the simulated nodes, or find it. Raises Duplicate when the name is taken."""
    known: BackendGroup | None = BackendGroup.objects.live().filter(name=prefix).first()
    if known and known.description != MARK:
        raise Duplicate(_("There is a backend group of this name that holds something else."), label=prefix)
    return known or create_backend_group(name=prefix, description=MARK, actor=TRACE)


@asynccontextmanager
async def simulated(nodes: Sequence[TraceNode], group: BackendGroup, server: Server, folder: Path) -> AsyncIterator[None]:
    """Run the nodes' agents and BMCs; ends when their devices are clean, and deletes the nodes."""
    await in_thread(delete_nodes, group)  # those of a replay that was killed
    async with AsyncExitStack() as stack:
        user, password = "trace", secrets.token_hex(8)
        bmcs = [SimulatedBmc(user.encode(), password.encode()) for _node in nodes]
        for bmc in bmcs:
            await start_bmc(bmc, BmcAddress(LOOPBACK, 0))
            stack.callback(bmc.close)
        stack.push_async_callback(in_thread, delete_nodes, group)
        keys: list[str] = []
        for first, end in pairwise([*range(0, len(nodes), BATCH), len(nodes)]):
            ports = [bmc.address.port for bmc in bmcs[first:end]]
            keys += await in_thread(_make_nodes, nodes[first:end], ports, group, user, password)
        agents = [_agent(node, key, server, folder / str(i)) for i, (node, key) in enumerate(zip(nodes, keys, strict=True))]
        for agent in agents:
            await agent.start()
            stack.push_async_callback(agent.stop)
        async with asyncio.timeout(WELCOME):
            await asyncio.gather(*(agent.welcomed.wait() for agent in agents))
        yield
        await _wait_until_clean(group)


@transaction.atomic
def delete_nodes(group: BackendGroup) -> None:
    """Delete the nodes of a replay; jobs that still hold them end with them."""
    for backend in Backend.objects.live().filter(group=group):
        delete_backend(backend, force=True, actor=TRACE)


@transaction.atomic
def _make_nodes(
    nodes: Sequence[TraceNode], ports: Sequence[int], group: BackendGroup, user: str, password: str
) -> list[str]:
    """Make a batch of nodes and give their agents' keys."""
    keys = []
    for node, port in zip(nodes, ports, strict=True):
        bmc = {"bmc_ip": LOOPBACK, "bmc_port": port, "bmc_user": user, "bmc_password": password}
        _backend, key = create_backend(
            name=node.name, ip=LOOPBACK, devices=node.devices, group=group, description="simulated", actor=TRACE, **bmc
        )
        keys.append(key)
    return keys


def _agent(node: TraceNode, key: str, server: Server, folder: Path) -> Agent:
    return Agent(
        server, key, folder, FakeDevices(node.devices), host_name=node.name, backoff=Backoff(longest=3.0)
    )


async def _wait_until_clean(group: BackendGroup) -> None:
    """Let the agents carry out their last orders, so that nothing is left half done; a lost one delays us only."""
    deadline = asyncio.get_running_loop().time() + CLEAN
    while await in_thread(_used, group) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)


def _used(group: BackendGroup) -> bool:
    idle = (DeviceStatus.IDLE, DeviceStatus.SHUTDOWN)
    live = Device.objects.filter(backend__group=group, backend__deleted_at=None)
    return live.exclude(status__in=idle).exists()
