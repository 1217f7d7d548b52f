"""Faults of simulated devices: each is reported as a real one would be, and repaired by what would repair it."""

import asyncio
from collections.abc import Set
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backends.health.findings import FINDINGS, key_of
from clients.agent import Agent
from clients.agent.devices import DeviceReading
from clients.backoff import Backoff
from clients.channel import Server
from fleet import node as fleet_node
from fleet.faults import FAULTS, FaultBook, Mend, SimulatedDevices, accidents, cause_faults
from fleet.faults.table import FaultEffect
from fleet.node import Node
from fleet.roster import Roster, SeededNode, write_roster
from fleet.runner import FaultyRunner
from protocol.v1 import agents_pb2 as pb
from tests.clients.agent_node import nobody_at
from tests.clients.agent_peer import KEY, Manager, clean, manager, start

DOCS = Path(__file__).parents[2] / "docs" / "health.md"
FOUND_BY_SERVER = {
    FaultEffect.SILENT: {"SILENT", "VANISHED"},
    FaultEffect.FROZEN: {"FROZEN"},
    FaultEffect.FAILS_CHECK: {"CHECK_FAILED"},
    FaultEffect.KEEPS_PROCESSES: {"NOT_CLEANED"},
    FaultEffect.ENDS_WORKERS: {"JOB_FAILURES"},
}


def simulated(folder: Path) -> SimulatedDevices:
    return SimulatedDevices(FaultBook(folder), 4, "H100", 81_920, name="node-01")


def readings(devices: SimulatedDevices, busy: Set[int] = frozenset()) -> list[DeviceReading]:
    return asyncio.run(devices.read(busy))


def changes(devices: SimulatedDevices) -> bool:
    """Whether the power of device 2 changes; two values at random may be the same."""
    return len({readings(devices, {1, 2})[2].power for _ in range(8)}) > 1


def test_every_finding_has_a_fault_that_leads_to_it() -> None:
    reported = {
        key_of(pb.HealthFact.Code.Name(code), number) for fault in FAULTS.values() for code, number in fault.facts
    }
    found = {code for fault in FAULTS.values() for code in FOUND_BY_SERVER.get(fault.effect, ())}
    assert reported | found == FINDINGS.keys()


def test_the_page_lists_every_fault_and_what_repairs_it() -> None:
    table = DOCS.read_text().partition("<!-- faults -->")[2].partition("<!-- end -->")[0]
    rows = [tuple(cell.strip(" `") for cell in line.split("|")[1:4]) for line in table.strip().splitlines()[2:]]
    repaired = {Mend.CLEAN: "cleaning", Mend.RESET: "device reset", Mend.REBOOT: "reboot"}
    repaired |= {Mend.POWER_CYCLE: "power cycle", Mend.EXCHANGE: "never"}
    lasts = {0.0: "", 600.0: "10 min", 3600.0: "1 h"}
    assert rows == [(name, repaired[fault.mend], lasts[fault.lasts]) for name, fault in FAULTS.items()]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_reported_until_it_is_repaired(name: str, tmp_path: Path) -> None:
    devices, fault = simulated(tmp_path), FAULTS[name]
    FaultBook(tmp_path).add(2, name)
    for mend in range(fault.mend):
        if mend:
            devices.mend(Mend(mend), [2])
        devices.mend(Mend.EXCHANGE, [1])
        well, sick = readings(devices, {1, 2})[1:3]
        assert [(fact.code, fact.number, fact.count) for fact in sick.facts] == [(*fact, 1) for fact in fault.facts]
        assert (sick.measured, sick.temperature == 102.0) == (
            fault.effect != FaultEffect.SILENT,
            fault.effect == FaultEffect.HOT,
        )
        assert (well.facts, well.measured) == ((), True)
        assert changes(devices) is (fault.effect not in (FaultEffect.FROZEN, FaultEffect.SILENT))
    devices.mend(fault.mend)
    facts = readings(devices, {2})[2].facts
    assert (facts, changes(devices), FaultBook(tmp_path).read().faults) == ((), True, [])


def test_faults_end_by_themselves_outlast_the_simulation_and_leave_with_their_card(tmp_path: Path) -> None:
    book = FaultBook(tmp_path)
    assert (book.add(0, "xid-31"), book.add(0, "xid-64"), book.add(0, "xid-64")) == (True, True, False)
    old = readings(simulated(tmp_path))[0]
    assert [fact.number for fact in old.facts] == [31, 64]
    aged = book.read().faults[0].since - 3601
    text = (tmp_path / "faults.json").read_text()
    (tmp_path / "faults.json").write_text(text.replace(str(aged + 3601), str(aged)))
    assert [one.fault for one in book.read().faults] == ["xid-64"]
    book.exchange(0)
    new = readings(simulated(tmp_path))[0]
    assert (new.facts, new.identity.uuid != old.identity.uuid) == ((), True)


def simulate(folder: Path, story: Any) -> None:
    """Run a story with a node's agent, its book and a manager in memory."""

    async def run() -> None:
        async with manager() as served:
            devices, book = simulated(folder), FaultBook(folder)
            runner = FaultyRunner(devices)
            agent = Agent(
                Server(f"127.0.0.1:{served.port}"),
                KEY,
                folder,
                devices,
                runner,
                host_name="node-01",
                backoff=Backoff(first=0.02, longest=0.1),
                run_check=devices.check,
            )
            await agent.start()
            try:
                await served.hello()
                await story(served, book)
            finally:
                await agent.abandon()

    asyncio.run(run())


def test_a_fault_that_stops_work_ends_the_worker_and_lets_none_start(tmp_path: Path) -> None:
    async def story(served: Manager, book: FaultBook) -> None:
        running = await served.result(served.order(start(1, devices=(0, 1))))
        book.add(1, "xid-79")
        await served.until(lambda message: message.worker_lost.worker_id == 1)
        assert await nobody_at(running.address)
        kinds = [message for message in served.heard if message.report.device_health or message.HasField("worker_lost")]
        assert kinds[0].report.device_health[0].facts[0].number == 79
        refused = await served.result(served.order(start(2, devices=(1,))))
        assert (refused.ok, refused.error) == (False, "the simulated device 1 does not work")
        assert (await served.result(served.order(start(3, devices=(0,))))).ok

    simulate(tmp_path, story)


def test_checks_find_what_fails_them_and_cleaning_repairs_what_was_left_behind(tmp_path: Path) -> None:
    async def story(served: Manager, book: FaultBook) -> None:
        book.add(0, "left-behind"), book.add(1, "check-failed")
        order = start(1, devices=(0, 1, 2), preflight_command="anything")
        failed = await served.result(served.order(order))
        assert (failed.error, list(failed.failed_devices)) == ("memory test of device 0: 3 words differ", [0, 1])
        await served.result(served.order(clean(0, 1)))
        checked = pb.Order(order_id="c", check=pb.CheckHealth(health_check_command="x", device_indexes=[0, 1, 2]))
        assert list((await served.result(served.order(checked))).failed_devices) == [1]

    simulate(tmp_path, story)


def test_workers_end_again_and_again_on_a_device_with_job_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.runner.LIVES", 0.01)

    async def story(served: Manager, book: FaultBook) -> None:
        book.add(3, "job-failures")
        await served.reported(lambda _report: True)
        await served.reported(lambda _report: True)
        assert (await served.result(served.order(start(1, devices=(3,))))).ok
        await served.until(lambda message: message.worker_lost.worker_id == 1)

    simulate(tmp_path, story)


CHASSIS = {"cycle": (2, ["row-remap-failed"]), "reset": (3, ["lost", "row-remap-failed"])}


@pytest.mark.parametrize("command", CHASSIS)
def test_a_bmc_repairs_what_its_command_repairs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_node, "POWER_DELAY", 0.01)
    number, left = CHASSIS[command]

    async def run() -> None:
        node = Node(SeededNode("node-01", "key", 0), Server("127.0.0.1:1"), tmp_path)
        bmc = await node.start_bmc("fleet", "secret")
        for device, fault in enumerate(("lost", "pages-pending", "row-remap-failed")):
            node.faults.add(device, fault)
        bmc.chassis.control(number)
        async with asyncio.timeout(5):
            while len(node.faults.read().faults) == 3:
                await asyncio.sleep(0.01)
        bmc.close()
        assert [one.fault for one in node.faults.read().faults] == left

    asyncio.run(run())


def test_every_kind_befalls_a_device_before_any_does_again(tmp_path: Path) -> None:
    books = {f"node-{n}": FaultBook(tmp_path / f"node-{n}") for n in range(8)}

    def befallen() -> list[str]:
        faults = [one for book in books.values() for one in book.read().faults]
        return [one.fault for one in sorted(faults, key=lambda one: one.since)]

    async def run() -> None:
        causing = asyncio.create_task(cause_faults(books, 8, 3600 * 5000))
        async with asyncio.timeout(10):
            while len(befallen()) < len(accidents.BY_CHANCE):
                await asyncio.sleep(0)
        causing.cancel()

    asyncio.run(run())
    assert sorted(befallen()[: len(accidents.BY_CHANCE)]) == sorted(accidents.BY_CHANCE)
    for book in books.values():
        assert len({one.device for one in book.read().faults}) == len(book.read().faults)


WRONG: dict[tuple[str, ...], str] = {
    ("node-09", "1", "lost"): "There is no simulated node 'node-09'.",
    ("node-01",): "Name a node, a device and a fault; or a node and a device with --exchange.",
    ("node-01", "1"): "Name a node, a device and a fault; or a node and a device with --exchange.",
    (
        "node-01",
        "1",
        "lost",
        "--exchange",
    ): "Name a node, a device and a fault; or a node and a device with --exchange.",
    ("node-01", "2", "lost"): "Device 2 of node-01 has this fault already.",
}


def test_an_operator_causes_faults_by_a_command(settings: Any, tmp_path: Path) -> None:
    settings.MOREH_DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="There is no simulated fleet"):
        call_command("demo_fault")
    write_roster(Roster("fleet", "secret", [SeededNode("node-01", "key", 1)]), tmp_path)
    book = FaultBook(tmp_path / "fleet" / "node-01")
    shown = StringIO()
    call_command("demo_fault", "node-01", "2", "lost", stdout=shown)
    assert shown.getvalue() == (
        "Device 2 of node-01 has the fault lost; the node reports it within five seconds; repaired by: power cycle.\n"
    )
    for words, complaint in WRONG.items():
        with pytest.raises(CommandError, match=complaint):
            call_command("demo_fault", *words)
    shown = StringIO()
    call_command("demo_fault", stdout=shown)
    assert shown.getvalue() == "node-01  device 2  lost  since 0 min  repaired by: power cycle\n"
    shown = StringIO()
    call_command("demo_fault", "node-01", "2", "--exchange", stdout=shown)
    call_command("demo_fault", stdout=shown)
    assert shown.getvalue() == ("Device 2 of node-01 is another card now, without faults.\nwithout a fault: node-01\n")
    assert (book.read().faults, book.read().exchanged) == ([], {2: 1})


def test_an_operator_cuts_a_node_off_and_puts_it_back(settings: Any, tmp_path: Path) -> None:
    settings.MOREH_DATA_DIR = tmp_path
    write_roster(Roster("fleet", "secret", [SeededNode("node-01", "key", 1)]), tmp_path)
    book = FaultBook(tmp_path / "fleet" / "node-01")
    with pytest.raises(CommandError, match="node-01 is not cut off"):
        call_command("demo_fault", "node-01", "--reconnect")
    for words in (("--cut-off", "--reconnect"), ("1", "--cut-off"), ("--cut-off", "--exchange")):
        with pytest.raises(CommandError, match="Name a node, and --cut-off or --reconnect"):
            call_command("demo_fault", "node-01", *words)
    shown = StringIO()
    call_command("demo_fault", "node-01", "--cut-off", stdout=shown)
    call_command("demo_fault", stdout=shown)
    assert book.is_cut_off
    call_command("demo_fault", "node-01", "--reconnect", stdout=shown)
    assert not book.is_cut_off
    assert shown.getvalue().splitlines() == [
        "node-01 is cut off: it counts as silent in 30 s, and as lost in 90 s.",
        "node-01  cut off",
        "node-01 is on the network again, and connects within seconds.",
    ]
