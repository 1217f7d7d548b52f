"""Cards and their health through NVIDIA's own Python package, over a stand-in for the driver's library."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pynvml
import pytest

from clients.agent.devices import DeviceReading, DevicesUnreadable, Fact, Identity
from clients.agent.devices.facts import Code
from clients.agent.devices.nvml import NvmlDevices, load_nvml
from tests.clients.nvml_library import Card, NvmlLibrary

THERMAL = pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
BRAKE = pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown


class Machine:
    """A node with a library of some cards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.open: list[NvmlDevices] = []

    def insert(self, *cards: Card) -> tuple[NvmlLibrary, NvmlDevices]:
        """Load a library with these cards; return it with what reads them."""
        library = NvmlLibrary([*cards])
        self.patch.setattr(pynvml, "nvmlLib", library)
        self.patch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        self.open.append(NvmlDevices(pynvml))
        return library, self.open[-1]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    found = Machine(monkeypatch)
    yield found
    for devices in found.open:
        if devices._xids is not None:
            devices._xids.over.set()
            devices._xids.join(5)


def read(devices: NvmlDevices) -> list[DeviceReading]:
    return asyncio.run(devices.read(set()))


def test_a_card_is_read_with_its_identity(machine: Machine) -> None:
    _library, devices = machine.insert(Card())
    identity = Identity("GPU-1", "1650123000042", "0000:1b:00.0", "550.90.07", "96.00.74.00.01")
    card = DeviceReading(0, "NVIDIA H100 80GB HBM3", 81559, 1, 41.0, None, 7.0, 100 / 81559, None, identity)
    assert read(devices) == [card]


FACTS: dict[str, tuple[Card, tuple[Fact, ...]]] = {
    "nothing is wrong": (Card(), ()),
    "nothing is supported, as on a card in parts": (
        Card(volatile=None, aggregate=None, remapped=None, reasons=None, links=None, utilization=None),
        (),
    ),
    "uncorrectable errors": (
        Card(volatile=2, aggregate=9),
        (Fact(Code.ECC_UNCORRECTABLE, count=2), Fact(Code.ECC_UNCORRECTABLE_LIFETIME, count=9)),
    ),
    "rows that wait for a reset": (Card(remapped=(1, 2, 1, 0)), (Fact(Code.ROW_REMAP_PENDING, count=3),)),
    "no spare row left": (Card(remapped=(0, 8, 0, 1)), (Fact(Code.ROW_REMAP_FAILED, count=8),)),
    "pages that wait for a reset": (Card(pending=pynvml.NVML_FEATURE_ENABLED), (Fact(Code.PAGES_PENDING),)),
    "pages that do not wait": (Card(pending=pynvml.NVML_FEATURE_DISABLED), ()),
    "links that were trained anew": (Card(links={0: 0, 3: 5}), (Fact(Code.LINK_ERRORS, number=3, count=5),)),
}


@pytest.mark.parametrize("case", FACTS)
def test_facts(machine: Machine, case: str) -> None:
    card, expected = FACTS[case]
    _library, devices = machine.insert(card)
    (reading,) = read(devices)
    assert reading.facts == expected


def test_a_card_that_slows_down(machine: Machine) -> None:
    _library, devices = machine.insert(Card(reasons=THERMAL | BRAKE), Card(uuid="GPU-2", reasons=1))
    hot, cool = read(devices)
    assert [fact.code for fact in hot.facts] == [Code.THERMAL_SLOWDOWN, Code.POWER_BRAKE]
    assert cool.facts == ()


def test_one_lost_card_beside_seven_good_ones(machine: Machine) -> None:
    cards = [Card(uuid=f"GPU-{index}", lost=index == 3) for index in range(8)]
    _library, devices = machine.insert(*cards)
    readings = read(devices)
    assert [(reading.index, reading.measured) for reading in readings] == [(i, i != 3) for i in range(8)]
    assert [fact.code for fact in readings[3].facts] == [Code.LOST]


def test_xid_events_are_facts_of_their_card_also_when_it_is_lost(machine: Machine) -> None:
    library, devices = machine.insert(Card(), Card(uuid="GPU-2"))
    read(devices)
    for event in ((1, 79), (0, 31), (0, 31)):
        library.xids.put(event)
    library.cards[1].lost = True
    deadline = time.monotonic() + 5
    while [len(reading.facts) for reading in read(devices)] != [1, 2] or read(devices)[0].facts[0].count != 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    good, lost = read(devices)
    (page_fault,) = good.facts
    assert (page_fault.code, page_fault.number, page_fault.count) == (Code.XID, 31, 2)
    assert page_fault.last_ms >= page_fault.first_ms > 0
    assert [(fact.code, fact.number) for fact in lost.facts] == [(Code.LOST, 0), (Code.XID, 79)]


def test_a_library_that_hangs_holds_one_thread_and_nobody_else(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.agent.devices.nvml.TIMEOUT", 0.1)
    library, devices = machine.insert(Card())
    open_again = threading.Event()

    async def story() -> None:
        assert len(await devices.read(set())) == 1
        library.gate = lambda: open_again.wait(10)
        threads = threading.active_count()
        for _ in range(3):
            begun = time.monotonic()
            with pytest.raises(DevicesUnreadable, match="NVML did not answer within 0 s"):
                await devices.read(set())
            assert time.monotonic() - begun < 1
        assert threading.active_count() == threads
        open_again.set()
        await asyncio.sleep(0.2)
        assert len(await devices.read(set())) == 1

    asyncio.run(story())


def test_a_driver_that_is_not_loaded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    _library, devices = machine.insert(Card())
    monkeypatch.setattr(
        pynvml, "_nvmlGetFunctionPointer_cache", {"nvmlInitWithFlags": lambda _f: pynvml.NVML_ERROR_DRIVER_NOT_LOADED}
    )
    with pytest.raises(DevicesUnreadable, match="NVML: Driver Not Loaded"):
        read(devices)


def test_without_the_library_there_is_no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert load_nvml() is None
