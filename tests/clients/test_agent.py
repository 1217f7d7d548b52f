"""A node's agent against a manager on a real connection."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Set
from pathlib import Path

import pytest

from clients.agent import Agent, BookInUse, FakeDevices, FakeRunner
from clients.agent.devices import DevicesUnreadable, Reading
from clients.channel import Server
from clients.patience import Backoff
from tests.clients.agent_peer import KEY, Manager, check, clean, manager, start, stop

Story = Callable[["Node", Manager], Coroutine[None, None, None]]


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
    reader, writer = await asyncio.open_connection(host, int(port))
    line = await reader.readline()
    writer.close()
    return line.decode().strip()


async def nobody_at(address: str) -> bool:
    try:
        await answer_of(address)
    except OSError:
        return True
    return False


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


async def _a_worker_starts_answers_and_stops(node: Node, served: Manager) -> None:
    order = start(worker=5, job=50, devices=(2, 3))
    await served.hello()
    served.order(order)
    result = await served.result(order)
    assert (result.ok, result.error) == (True, "")
    assert await answer_of(result.address) == "worker 5 of job 50"
    busy = await served.reported(lambda report: list(report.worker_ids) == [5])
    assert [device.index for device in busy.devices if device.utilization_percent > 50] == [2, 3]
    ending = served.order(stop(5))
    assert (await served.result(ending)).ok
    assert await nobody_at(result.address)
    assert (await served.result(served.order(clean(2, 3)))).ok


async def _an_order_delivered_three_times_is_carried_out_once(node: Node, served: Manager) -> None:
    await served.hello()
    order = start(worker=5)
    served.order(order)
    served.order(order)
    first = await served.result(order)
    await served.until(lambda message: message.ack.order_id == order.order_id, times=2)
    seen = len([message for message in served.heard if message.result.order_id == order.order_id])
    served.order(order)
    assert await served.result(order, seen + 1) == first
    assert [worker.address for worker in node.agent.workers()] == [first.address]
    await served.result(served.order(stop(5)))
    served.order(order)
    assert await served.result(order, seen + 2) == first
    assert node.agent.workers() == []


async def _a_start_after_its_stop_is_refused(node: Node, served: Manager) -> None:
    await served.hello()
    assert (await served.result(served.order(stop(9)))).ok
    late = await served.result(served.order(start(worker=9)))
    assert (late.ok, late.error) == (False, "worker 9 was stopped before")
    assert node.agent.workers() == []


async def _a_start_after_its_stop_is_refused_by_the_next_agent_too(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(stop(9)))
    await node.agent.abandon()
    await node.boot()
    await served.hello(2)
    assert (await served.result(served.order(start(worker=9)))).error == "worker 9 was stopped before"


async def _two_workers_cannot_have_one_device(node: Node, served: Manager) -> None:
    await served.hello()
    first, second = served.order(start(1, 11, (0, 1))), served.order(start(2, 12, (1, 2)))
    assert (await served.result(first)).ok
    assert (await served.result(second)).error == "worker 1 is on device 0 already"


async def _a_start_on_a_device_that_is_not_there_is_refused(node: Node, served: Manager) -> None:
    await served.hello()
    assert (await served.result(served.order(start(1, 11, (7, 8))))).error == "there is no device 8"


async def _stop_and_clean_sent_together_keep_their_order(node: Node, served: Manager) -> None:
    await served.hello()
    orders = [served.order(order) for order in (start(1, 11, (0, 1)), stop(1), clean(0, 1), start(2, 12, (0, 1)))]
    assert [(await served.result(order)).ok for order in orders] == [True, True, True, True]
    assert [worker.worker_id for worker in node.agent.workers()] == [2]


async def _cleaning_under_another_worker_is_refused(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(1, 11, (0, 1))))
    assert (await served.result(served.order(clean(1, worker=3)))).error == "worker 1 is still on these devices"
    assert (await served.result(served.order(clean(1, worker=1)))).ok
    assert node.agent.workers() == []


async def _a_restart_mid_work_is_reported_honestly(node: Node, served: Manager) -> None:
    await served.hello()
    order = served.order(start(5, 50))
    address = (await served.result(order)).address
    await node.agent.abandon()
    assert await nobody_at(address)
    await node.boot()
    assert list((await served.hello(2)).workers) == []
    assert served.heard[-1].boot == 2
    again = served.order(order)
    assert (await served.result(again, 2)).address == address
    assert node.agent.workers() == []


async def _a_start_cut_short_by_the_agents_death_fails_and_is_not_tried_again(node: Node, served: Manager) -> None:
    await served.hello()
    order = start(5, 50)

    async def never(_order: object) -> None:
        await asyncio.Event().wait()

    node.runner.start = never  # type: ignore[method-assign, assignment]
    served.order(order)
    await served.until(lambda message: message.ack.order_id == order.order_id)
    await node.agent.abandon()
    await node.boot()
    await served.hello(2)
    result = await served.result(served.order(order))
    assert (result.ok, result.error) == (False, "the agent ended before the worker was ready")
    assert node.agent.workers() == []


async def _an_outage_of_the_manager_kills_no_worker(node: Node, served: Manager) -> None:
    await served.hello()
    address = (await served.result(served.order(start(5, 50)))).address
    await served.close()
    await asyncio.sleep(0.3)
    assert await answer_of(address) == "worker 5 of job 50"
    served.expect((5, 50))
    await served.open(served.port)
    hello = await served.hello(2)
    assert [(w.worker_id, w.job_id, list(w.device_indexes), w.address) for w in hello.workers] == [
        (5, 50, [0, 1], address)
    ]
    await served.reported(lambda report: list(report.worker_ids) == [5])
    assert await answer_of(address) == "worker 5 of job 50"


async def _a_worker_that_the_manager_does_not_know_is_stopped(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(5, 50, (0,))))
    await served.result(served.order(start(6, 60, (1,))))
    served.expect((5, 50), (6, 61))
    served.drop()
    await served.hello(2)
    await served.reported(lambda report: list(report.worker_ids) == [5])


async def _a_worker_that_dies_is_told_at_once(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(5, 50)))
    node.runner.lose(5, exit_code=3)
    lost = (await served.until(lambda message: message.HasField("worker_lost"))).worker_lost
    assert (lost.worker_id, lost.exit_code) == (5, 3)
    await served.reported(lambda report: not report.worker_ids)


async def _a_vanished_device_makes_the_node_sick(node: Node, served: Manager) -> None:
    await served.hello()
    node.devices.gone.add(7)
    report = await served.reported(lambda report: not report.health.ok)
    assert report.health.text == "device 7 vanished"
    assert len(report.devices) == 7
    node.devices.gone.clear()
    await served.reported(lambda report: report.health.ok)


async def _a_tool_that_fails_makes_the_node_sick_but_no_device_vanish(node: Node, served: Manager) -> None:
    await served.hello()
    seen = node.devices.read

    async def fail(busy: Set[int]) -> list[Reading]:
        raise DevicesUnreadable("amd-smi ended with exit code 1")

    node.devices.read = fail  # type: ignore[method-assign]
    report = await served.reported(lambda report: not report.health.ok)
    assert (report.health.text, list(report.devices)) == ("amd-smi ended with exit code 1", [])
    served.drop()
    assert len((await served.hello(2)).devices) == 8
    node.devices.read = seen  # type: ignore[method-assign]
    await served.reported(lambda report: report.health.ok)


async def _a_check_runs_the_operators_command(node: Node, served: Manager) -> None:
    await served.hello()
    assert (await served.result(served.order(check()))).health.ok
    bad = (await served.result(served.order(check("sh -c 'echo ECC error; exit 4'")))).health
    assert (bad.ok, bad.text) == (False, "sh ended with exit code 4: ECC error")
    assert not (await served.reported(lambda _report: True)).health.ok
    assert (await served.result(served.order(check("true")))).health.ok


async def _a_second_agent_in_one_folder_is_refused(node: Node, served: Manager) -> None:
    with pytest.raises(BookInUse):
        await node.make().start()
    await served.hello()


STORIES: dict[str, Story] = {
    name.removeprefix("_").replace("_", " "): story
    for name, story in list(globals().items())
    if name.startswith("_") and inspect.iscoroutinefunction(story)
}


@pytest.mark.parametrize("story", STORIES)
def test_agent(story: str, tmp_path: Path) -> None:
    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            await STORIES[story](node, served)

    asyncio.run(tell())


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
    monkeypatch.setattr("clients.agent.book.LONGEST", 100)
    monkeypatch.setattr("clients.agent.book.KEPT", 10)

    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            await served.hello()
            for worker in range(1, 101):
                served.order(start(worker, worker, (0,)))
                last = served.order(stop(worker))
            assert (await served.result(last)).ok
            assert len((node.folder / "book.jsonl").read_text().splitlines()) < 160

    asyncio.run(tell())
