"""A simulated node that is cut off and put back."""

import asyncio
from pathlib import Path

import pytest

from clients.channel import Server
from fleet import node as fleet_node
from fleet.node import Node
from fleet.roster import SeededNode
from tests.clients.agent_peer import KEY, manager, start


def test_a_node_that_was_cut_off_still_has_what_its_workers_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_node, "LOOK", 0.01)

    async def run() -> None:
        async with manager() as served:
            node = Node(SeededNode("node-01", KEY, 0), Server(f"127.0.0.1:{served.port}"), tmp_path)
            node.boot_time = 0.0
            bmc = await node.start_bmc("fleet", "secret")
            living = asyncio.create_task(node.live())
            await served.hello()
            assert (await served.result(served.order(start(5, 50)))).ok
            node.faults.cut_off()
            async with asyncio.timeout(5):
                while node.agent:
                    await asyncio.sleep(0.01)
            node.faults.reconnect()
            assert not (await served.hello(2)).workers
            served.read_log("again", 5, 0, 63)
            piece = await served.piece("again")
            assert (piece.data[25:], piece.running) == (b" worker 5: devices are ready, training", False)
            living.cancel()
            await asyncio.wait({living})
            bmc.close()

    asyncio.run(run())
