"""The devices of a simulated node, with their faults."""

from collections.abc import Callable, Collection, Sequence, Set

from clients.agent.devices import DeviceReading, Fact, FakeDevices
from clients.agent.devices.facts import Code
from fleet.faults.book import FaultBook, Occurrence
from fleet.faults.table import FAULTS, FaultEffect, Mend

CHECK_OUTPUT = "memory test of device {device}: 3 words differ"


class SimulatedDevices(FakeDevices):
    """Shows the faults that are in the node's book. `struck` is told the devices on which no work can go on."""

    def __init__(self, book: FaultBook, count: int, model: str, memory_mib: int, *, name: str) -> None:
        super().__init__(count, model, memory_mib, name=name)
        self.struck: Callable[[Collection[int]], None] = lambda _devices: None
        self._book = book
        self._faults: list[Occurrence] = book.read().faults

    async def read(self, busy: Set[int]) -> list[DeviceReading]:
        """Read the book, then the devices."""
        self._follow()
        return await super().read(busy)

    def mend(self, by: Mend, devices: Collection[int] | None = None) -> None:
        """Repair what this repairs, on some devices or on all of the node."""
        self._book.mend(by, devices)
        self._follow()

    async def check(self, _command: str, devices: Sequence[int], _timeout: float) -> str:
        """Return what a health check finds wrong with some devices, or ""; its command is not run."""
        self._follow()
        bad = self.having(FaultEffect.FAILS_CHECK) | self.stopped() | self.having(FaultEffect.SILENT)
        return "\n".join(CHECK_OUTPUT.format(device=device) for device in devices if device in bad)

    def having(self, effect: FaultEffect) -> set[int]:
        """Return the devices with such a fault, as last read."""
        return {one.device for one in self._faults if FAULTS[one.fault].effect is effect}

    def stopped(self) -> set[int]:
        """Return the devices on which no worker can start."""
        return {one.device for one in self._faults if FAULTS[one.fault].stops_work}

    def _follow(self) -> None:
        page, before = self._book.read(), self.stopped()
        self._faults = page.faults
        self.swaps = page.exchanged
        self.silent, self.hot = self.having(FaultEffect.SILENT), self.having(FaultEffect.HOT)
        frozen = self.having(FaultEffect.FROZEN)
        self.frozen = {index: reading for index, reading in self.frozen.items() if index in frozen}
        for index in frozen - self.frozen.keys():
            self.freeze(index)
        self.facts = {index: self._facts_of(index) for index in range(self.count)}
        if new := self.stopped() - before:
            self.struck(new)

    def _facts_of(self, index: int) -> tuple[Fact, ...]:
        return tuple(
            _fact(code, number, one)
            for one in self._faults
            if one.device == index
            for code, number in FAULTS[one.fault].facts
        )


def _fact(code: "Code.Code.ValueType", number: int, one: Occurrence) -> Fact:
    at = int(one.since * 1000)
    last = at if code == Code.XID else 0
    return Fact(code, number, count=1, first_ms=at, last_ms=last, text=f"simulated: {one.fault}")
