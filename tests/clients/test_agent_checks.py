"""Health checks that an agent runs: before a worker starts, and on some devices, against a manager in memory."""

import asyncio
import time
from collections.abc import Set
from pathlib import Path

import pytest

from clients.agent.devices import DeviceReading, Fact
from protocol.v1 import agents_pb2 as pb
from tests.clients.agent_node import Node, carry_out, stories
from tests.clients.agent_peer import Manager, start, stop

BAD_1 = """sh -c 'echo "testing $MOREH_DEVICES"; case ",$MOREH_DEVICES," in *,1,*) echo "bad HBM"; exit 3;; esac'"""
LOST = pb.HealthFact(code=pb.HealthFact.LOST, text="GPU is lost")


def check_devices(*devices: int, command: str = "") -> pb.Order:
    return pb.Order(
        order_id=f"check {devices} {command}",
        check=pb.CheckHealth(health_check_command=command, device_indexes=devices),
    )


async def _a_failed_preflight_starts_no_worker_and_names_the_bad_devices(node: Node, served: Manager) -> None:
    await served.hello()
    result = await served.result(served.order(start(devices=(0, 1, 2), preflight_command=BAD_1)))
    assert (result.ok, list(result.failed_devices), result.address) == (False, [1], "")
    assert result.error == "sh ended with exit code 3: bad HBM\ntesting 1"
    assert node.agent.workers() == []


async def _devices_that_fail_only_together_are_all_named(node: Node, served: Manager) -> None:
    await served.hello()
    link = """sh -c 'case "$MOREH_DEVICES" in *,*) echo "bad link"; exit 3;; esac'"""
    result = await served.result(served.order(start(devices=(0, 1), preflight_command=link)))
    assert (result.error, list(result.failed_devices)) == ("sh ended with exit code 3: bad link", [0, 1])


async def _a_good_preflight_starts_the_worker(node: Node, served: Manager) -> None:
    await served.hello()
    result = await served.result(served.order(start(devices=(2, 3), preflight_command=BAD_1)))
    assert (result.ok, list(result.failed_devices), bool(result.address)) == (True, [], True)


async def _without_a_command_the_agent_looks_at_the_devices_itself(node: Node, served: Manager) -> None:
    await served.hello()
    node.devices.facts[1] = (Fact(pb.HealthFact.RESET_REQUIRED),)
    bad = await served.result(served.order(start(worker=1, devices=(0, 1), preflight_command="")))
    assert (bad.error, list(bad.failed_devices)) == ("device 1 cannot be used", [1])
    assert (await served.result(served.order(start(worker=2, devices=(0, 2), preflight_command="")))).ok


async def _a_preflight_that_never_ends_is_killed_at_its_deadline(node: Node, served: Manager) -> None:
    await served.hello()
    begun = time.monotonic()
    hanging = start(devices=(0,), preflight_command="sh -c 'sleep 30 & sleep 30'")
    result = await served.result(served.order(hanging))
    assert (result.error, list(result.failed_devices)) == ("sh did not answer within 0 s", [0])
    assert time.monotonic() - begun < 5


async def _a_stop_ends_a_preflight_at_once_and_the_worker_does_not_start(node: Node, served: Manager) -> None:
    await served.hello()
    begun = time.monotonic()
    starting = served.order(start(worker=4, devices=(0,), preflight_command="sleep 30"))
    await served.until(lambda message: message.ack.order_id == starting.order_id)
    ending = served.order(stop(4))
    assert (await served.result(ending)).ok
    assert time.monotonic() - begun < 5
    result = await served.result(starting)
    assert (result.ok, result.error, list(result.failed_devices)) == (False, "worker 4 was stopped before", [])


async def _devices_are_checked_one_by_one_and_those_in_use_are_not(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(devices=(3,))))
    result = await served.result(served.order(check_devices(0, 1, 2, 3, command=BAD_1)))
    assert (result.ok, list(result.failed_devices), list(result.busy_devices)) == (True, [1], [3])
    assert result.error == "sh ended with exit code 3: bad HBM\ntesting 1"
    assert not result.HasField("health")


async def _what_is_wrong_is_in_every_report_as_long_as_it_holds(node: Node, served: Manager) -> None:
    await served.hello()
    assert not (await served.reported(lambda _report: True)).device_health
    node.devices.facts[6] = (Fact(pb.HealthFact.XID, 31, 2, 5, 6, "page fault"),)
    fact = pb.HealthFact(code=pb.HealthFact.XID, number=31, count=2, first_ms=5, last_ms=6, text="page fault")
    for _ in range(2):
        report = await served.reported(lambda report: bool(report.device_health))
        assert list(report.device_health) == [pb.DeviceHealth(index=6, facts=[fact])]
    del node.devices.facts[6]
    await served.reported(lambda report: not report.device_health)


async def _what_is_wrong_is_told_before_the_end_of_a_worker(node: Node, served: Manager) -> None:
    await served.hello()
    assert (await served.result(served.order(start(worker=3, devices=(2,))))).ok
    node.devices.facts[2] = (Fact(pb.HealthFact.XID, 79),)
    node.runner.lose(3)
    await served.until(lambda message: message.worker_lost.worker_id == 3)
    report = next(message for message in served.heard if message.report.device_health)
    assert served.heard.index(report) < next(
        n for n, message in enumerate(served.heard) if message.HasField("worker_lost")
    )
    assert report.report.device_health[0].index == 2


async def _a_lost_card_is_told_by_its_fact_and_by_a_new_hello(node: Node, served: Manager) -> None:
    await served.hello()
    node.devices.silent.add(6)
    node.devices.facts[6] = (Fact(pb.HealthFact.LOST, text="GPU is lost"),)
    report = await served.reported(lambda report: bool(report.device_health))
    assert list(report.device_health) == [pb.DeviceHealth(index=6, facts=[LOST])]
    assert [device.index for device in (await served.hello(2)).devices] == [0, 1, 2, 3, 4, 5, 7]


async def _a_driver_that_hangs_delays_no_order(node: Node, served: Manager) -> None:
    await served.hello()
    await served.reported(lambda _report: True)
    released = asyncio.Event()

    async def hang(busy: Set[int]) -> list[DeviceReading]:
        await released.wait()
        return []

    node.devices.read = hang  # type: ignore[method-assign]
    begun = time.monotonic()
    assert (await served.result(served.order(start(worker=9, devices=(5,))))).ok
    assert (await served.result(served.order(stop(9)))).ok
    assert time.monotonic() - begun < 3


STORIES = stories(globals())


@pytest.mark.parametrize("story", STORIES)
def test_checks(story: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "deadline" in story:
        monkeypatch.setattr("clients.agent.health.TIMEOUT", 0.3)
    carry_out(STORIES[story], tmp_path)
