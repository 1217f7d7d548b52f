"""A node's agent against a manager on a real connection: the node, its devices and its journal."""

import asyncio
import errno
from collections.abc import Set
from pathlib import Path

import pytest

from clients.agent import JournalInUse
from clients.agent.devices import DeviceReading, DevicesUnreadable
from tests.clients.agent_node import Node, carry_out, stories, world
from tests.clients.agent_peer import Manager, check, manager, start, stop


async def _a_hello_names_the_node(node: Node, served: Manager) -> None:
    hello = await served.hello()
    assert hello.host_name == "node01"
    assert [(device.index, device.model, device.memory_mib) for device in hello.devices] == [
        (index, "MI250", 65_536) for index in range(8)
    ]
    assert list(hello.workers) == []
    assert served.heard[0].boot == 1
    assert served.heard[0].sequence == 1


async def _a_report_has_every_device_and_the_host(node: Node, served: Manager) -> None:
    report = await served.reported(lambda _report: True)
    assert [device.index for device in report.devices] == list(range(8))
    assert all(33 <= device.temperature_celsius <= 36 for device in report.devices)
    assert report.total_memory_mib > report.used_memory_mib > 0
    assert report.health.ok
    assert [message.sequence for message in served.heard] == list(range(1, len(served.heard) + 1))


async def _a_vanished_device_is_told_by_a_new_hello_and_the_others_go_on(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(5, 50, (0,))))
    served.expect((5, 50))
    node.devices.gone.add(7)
    assert [device.index for device in (await served.hello(2)).devices] == [0, 1, 2, 3, 4, 5, 6]
    report = await served.reported(lambda report: len(report.devices) == 7)
    assert (report.health.ok, list(report.worker_ids)) == (True, [5])
    node.devices.gone.clear()
    assert [device.index for device in (await served.hello(3)).devices] == [0, 1, 2, 3, 4, 5, 6, 7]


async def _no_worker_starts_on_a_device_that_has_vanished(node: Node, served: Manager) -> None:
    await served.hello()
    node.devices.gone.add(7)
    await served.hello(2)
    result = await served.result(served.order(start(5, 50, (7,))))
    assert (result.ok, result.error) == (False, "there is no device 7")


async def _all_devices_gone_make_the_node_sick_and_none_vanish(node: Node, served: Manager) -> None:
    await served.hello()
    node.devices.gone.update(range(8))
    report = await served.reported(lambda report: not report.health.ok)
    assert report.health.text == "no device can be read any more"
    served.drop()
    assert len((await served.hello(2)).devices) == 8


async def _a_tool_that_fails_makes_the_node_sick_but_no_device_vanish(node: Node, served: Manager) -> None:
    await served.hello()
    seen = node.devices.read

    async def fail(busy: Set[int]) -> list[DeviceReading]:
        raise DevicesUnreadable("amd-smi ended with exit code 1")

    node.devices.read = fail  # type: ignore[method-assign]
    report = await served.reported(lambda report: not report.health.ok)
    assert (report.health.text, list(report.devices)) == ("amd-smi ended with exit code 1", [])
    served.drop()
    assert len((await served.hello(2)).devices) == 8
    node.devices.read = seen  # type: ignore[method-assign]
    await served.reported(lambda report: report.health.ok)


async def _reports_that_fail_are_begun_again_by_a_new_stream(node: Node, served: Manager) -> None:
    await served.hello()
    host = node.agent._host
    memory = host.memory_mib

    def fail() -> tuple[int, int]:
        host.memory_mib = memory  # type: ignore[method-assign]
        raise OSError(errno.EMFILE, "Too many open files")

    host.memory_mib = fail  # type: ignore[method-assign]
    await served.hello(2)
    await served.reported(lambda report: len(report.devices) == 8)


async def _a_check_runs_the_operators_command(node: Node, served: Manager) -> None:
    await served.hello()
    assert (await served.result(served.order(check()))).health.ok
    bad = (await served.result(served.order(check("sh -c 'echo ECC error; exit 4'")))).health
    assert (bad.ok, bad.text) == (False, "sh ended with exit code 4: ECC error")
    assert not (await served.reported(lambda _report: True)).health.ok
    assert (await served.result(served.order(check("true")))).health.ok


async def _an_agent_that_is_sent_away_comes_back_when_it_was_told(node: Node, served: Manager) -> None:
    await served.hello()
    served.busy_until = asyncio.get_running_loop().time() + 0.8
    served.drop()
    await served.hello(2)
    assert asyncio.get_running_loop().time() >= served.busy_until
    assert 1 <= served.refused <= 2  # its own timeout, at most 0.1 s, would have asked ten times


async def _a_second_agent_in_one_folder_is_refused(node: Node, served: Manager) -> None:
    with pytest.raises(JournalInUse):
        await node.make().start()
    await served.hello()


STORIES = stories(globals())


@pytest.mark.parametrize("story", STORIES)
def test_agent(story: str, tmp_path: Path) -> None:
    carry_out(STORIES[story], tmp_path)


def test_a_wrong_key_is_tried_again_for_ever(tmp_path: Path) -> None:
    async def tell() -> None:
        async with manager() as served:
            node = Node(tmp_path, served.port)
            stranger = node.make(key="wrong")
            await stranger.start()
            async with asyncio.timeout(20):
                while not stranger.unknown:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.4)  # whatever else comes between, it stays unknown until it is welcomed
            assert (served.heard, stranger.welcomed.is_set(), stranger.unknown) == ([], False, True)
            await stranger.stop()

    asyncio.run(tell())


def test_the_book_says_nothing_of_the_environment(tmp_path: Path) -> None:
    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            await served.hello()
            await served.result(served.order(start(5, 50, env={"API_KEY": "s3cret"})))
            assert "s3cret" not in (node.folder / "book.jsonl").read_text()

    asyncio.run(tell())


def test_a_thousand_orders_do_not_swell_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.agent.journal.LONGEST", 100)
    monkeypatch.setattr("clients.agent.journal.MOST_SETTLED", 10)

    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            await served.hello()
            for worker in range(1, 101):
                served.order(start(worker, worker, (0,)))
                last = served.order(stop(worker))
            assert (await served.result(last)).ok
            assert len((node.folder / "book.jsonl").read_text().splitlines()) < 160

    asyncio.run(tell())
