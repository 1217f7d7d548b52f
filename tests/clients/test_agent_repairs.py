"""Resets and reboots that an agent is ordered to carry out: only with leave, and once, against a manager in memory."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clients.agent import machine
from clients.agent.devices import Fact
from clients.agent.devices.resets import RESETS
from clients.agent.machine import ThisMachine
from protocol.v1 import agents_pb2 as pb
from tests.clients.agent_node import Node, carry_out, stories
from tests.clients.agent_peer import Manager, start, stop


@pytest.fixture(autouse=True)
def boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's boot id is a file that a test can change."""
    monkeypatch.setattr(machine, "BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(machine, "RESTARTED_WITHIN", 0.05)
    set_boot("one")


def set_boot(boot_id: str) -> None:
    machine.BOOT_ID.write_text(boot_id)


def reset(*devices: int, number: int = 1) -> pb.Order:
    return pb.Order(order_id=f"reset {number}", reset=pb.ResetDevices(device_indexes=devices))


def reboot(number: int = 1) -> pb.Order:
    return pb.Order(order_id=f"reboot {number}", reboot=pb.Reboot())


async def allow(node: Node, served: Manager, **leave: Any) -> None:
    """Start the agent again with leave to repair."""
    await node.agent.abandon()
    hellos = sum(message.HasField("hello") for message in served.heard)
    node.agent = node.make()
    node.agent._machine = ThisMachine(node.devices, **leave)
    await node.agent.start()
    await served.hello(hellos + 1)


async def _without_leave_nothing_is_done(node: Node, served: Manager) -> None:
    assert (await served.hello()).boot_id == "one"
    refused = [await served.result(served.order(order)) for order in (reset(0), reboot())]
    assert [result.error for result in refused] == [
        "this agent may not reset devices: it was started without --allow-reset",
        "this agent may not reboot its node: it was started without --reboot-command",
    ]
    assert node.devices.resets == []


async def _a_reset_ends_what_was_wrong_and_is_done_once(node: Node, served: Manager) -> None:
    await served.hello()
    await allow(node, served, may_reset=True)
    node.devices.facts[2] = (Fact(pb.HealthFact.XID, 95),)
    order = served.order(reset(2, 3))
    assert (await served.result(order)).ok
    served.order(order)
    assert (await served.result(order)).ok
    assert (node.devices.resets, node.devices.facts) == ([2, 3], {})


async def _devices_with_a_worker_are_not_reset(node: Node, served: Manager) -> None:
    await served.hello()
    await allow(node, served, may_reset=True, reboot_command="true")
    await served.result(served.order(start(worker=7, devices=(3,))))
    assert (await served.result(served.order(reset(3, 4)))).error == "worker 7 is on these devices"
    assert (await served.result(served.order(reset(4, number=2)))).ok
    assert (await served.result(served.order(reboot()))).error == "worker 7 runs on this node"
    await served.result(served.order(stop(7)))
    assert node.devices.resets == [4]


async def _a_reboot_that_does_not_happen_has_failed(node: Node, served: Manager) -> None:
    await served.hello()
    await allow(node, served, reboot_command="true")
    assert (await served.result(served.order(reboot()))).error == "the node was to reboot, and did not"
    await allow(node, served, reboot_command="sh -c 'echo no seat; exit 1'")
    error = (await served.result(served.order(reboot(2)))).error
    assert error == "the node cannot be rebooted: sh ended with exit code 1: no seat"


async def _a_reboot_is_done_once_and_known_by_the_next_boot(node: Node, served: Manager) -> None:
    asked = machine.BOOT_ID.with_name("asked")
    await served.hello()
    machine.RESTARTED_WITHIN = 60.0
    await allow(node, served, reboot_command=f"sh -c 'echo now >> {asked}'")
    for number, (boot_id, ok) in enumerate({"one": False, "two": True}.items(), start=1):
        order = served.order(reboot(number))
        await served.until(lambda message: message.ack.order_id == order.order_id)  # noqa: B023
        while not asked.exists() or asked.read_text().count("now") < number:
            await asyncio.sleep(0.01)
        await node.agent.abandon()
        set_boot(boot_id)
        await allow(node, served, reboot_command=f"sh -c 'echo now >> {asked}'")
        served.order(order)
        assert (await served.result(order)).ok is ok
    assert asked.read_text() == "now\nnow\n"


async def _a_reset_that_was_cut_short_is_not_begun_again(node: Node, served: Manager) -> None:
    await served.hello()
    await allow(node, served, may_reset=True)
    node.agent._journal.accept(reset(1))
    node.agent._journal.begin_once("reset 1", "reset", "one")
    await allow(node, served, may_reset=True)
    result = await served.result(served.order(reset(1)))
    assert (result.ok, result.error) == (True, "the agent ended during the reset; it may be incomplete")
    assert node.devices.resets == []


STORIES = stories(globals())


@pytest.mark.only_sqlite
@pytest.mark.parametrize("story", STORIES)
def test_agent(story: str, tmp_path: Path) -> None:
    carry_out(STORIES[story], tmp_path)


@pytest.mark.only_sqlite
def test_each_vendors_tool_resets_one_device() -> None:
    device = pb.DeviceInfo(index=3, pci_address="0000:65:00.0")
    assert {tool: " ".join(words(device)) for tool, words in RESETS.items()} == {
        "nvidia-smi": "nvidia-smi --gpu-reset -i 0000:65:00.0",
        "amd-smi": "amd-smi reset --gpureset -g 3",
        "rocm-smi": "rocm-smi -d 3 --gpureset",
    }
    assert RESETS["nvidia-smi"](pb.DeviceInfo(index=3))[-1] == "3"
