"""Workers of a node's agent: started, stopped and lost, against a manager on a real connection."""

import asyncio
from pathlib import Path

import pytest

from clients.agent import FakeRunner
from tests.clients.agent_node import Node, answer_of, carry_out, nobody_at, stories
from tests.clients.agent_peer import Manager, clean, start, stop


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


STORIES = stories(globals())


@pytest.mark.parametrize("story", STORIES)
def test_agent(story: str, tmp_path: Path) -> None:
    carry_out(STORIES[story], tmp_path)


def test_a_simulated_worker_has_an_ipv6_address_in_brackets() -> None:
    async def tell() -> None:
        runner = FakeRunner("::1")
        worker = await runner.start(start(5, 50).start)
        assert worker.address.rsplit(":", 1)[0] == "[::1]"
        assert await answer_of(worker.address) == "worker 5 of job 50"
        runner.abandon()

    asyncio.run(tell())
