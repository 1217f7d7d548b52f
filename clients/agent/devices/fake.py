import random
from collections.abc import Set
from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

from clients.agent.devices.facts import NOBODY, Fact, Identity
from clients.agent.devices.readings import DeviceReading
from clients.agent.errors import WorkerError
from protocol.v1 import agents_pb2 as pb

IDLE_WATTS, BUSY_WATTS = 90.0, 480.0
COOL, HOT = 34.0, 71.0
TOO_HOT = 102.0


class FakeDevices:
    """Devices of a simulated node: warm and busy while a worker is on them.

    `gone` ones are not seen any more; of `silent` ones nothing but their facts is; `frozen` ones show the same values
    for ever; `hot` ones are too hot; `facts` is what is wrong with each. A reset ends all of that, but of `stubborn`
    ones. With a `name` of their node the cards have an identity; `swaps` counts how often each was replaced.
    """

    def __init__(
        self, count: int, model: str = "MI250", memory_mib: int = 65_536, seed: int | None = None, name: str = ""
    ) -> None:
        self.count = count
        self.model = model
        self.memory_mib = memory_mib
        self.gone: set[int] = set()
        self.silent: set[int] = set()
        self.hot: set[int] = set()
        self.frozen: dict[int, DeviceReading] = {}
        self.facts: dict[int, tuple[Fact, ...]] = {}
        self.swaps: dict[int, int] = {}
        self.stubborn: set[int] = set()
        self.resets: list[int] = []
        self._name = name
        self._random = random.Random(seed)  # noqa: S311 - a simulation

    async def read(self, busy: Set[int]) -> list[DeviceReading]:
        """Make up a plausible reading."""
        return [self._shown(index, index in busy) for index in range(self.count) if index not in self.gone]

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Take from a device what is wrong with it, unless it is stubborn. Raises WorkerError."""
        self.resets.append(device.index)
        if device.index in self.stubborn:
            raise WorkerError(f"device {device.index} cannot be reset")
        self.silent.discard(device.index)
        self.frozen.pop(device.index, None)
        self.facts.pop(device.index, None)

    def freeze(self, index: int) -> None:
        """Show the values that a busy device has now for ever."""
        self.frozen[index] = self._reading(index, busy=True)

    def _shown(self, index: int, busy: bool) -> DeviceReading:
        facts = self.facts.get(index, ())
        if index in self.silent:
            return DeviceReading(index, self.model, 0, identity=self._identity(index), facts=facts)
        reading = self.frozen.get(index) or self._reading(index, busy)
        if index in self.hot:
            reading = replace(reading, temperature=TOO_HOT, memory_temperature=TOO_HOT)
        return replace(reading, identity=self._identity(index), facts=facts)

    def _identity(self, index: int) -> Identity:
        if not self._name:
            return NOBODY
        card = uuid5(NAMESPACE_OID, f"{self._name}/{index}/{self.swaps.get(index, 0)}")
        return Identity(
            uuid=f"GPU-{card}",
            serial=f"{card.int % 10**12:012}",
            pci_address=f"0000:{index + 1:02x}:00.0",
            driver_version="6.2.4",
            firmware_version="113-M2500100-105",
        )

    def _reading(self, index: int, busy: bool) -> DeviceReading:
        load = self._random.uniform(0.75, 1.0) if busy else 0.0
        used = int(self.memory_mib * load * 0.8)
        noise = self._random.uniform(-1.0, 1.0)
        return DeviceReading(
            index=index,
            model=self.model,
            memory_mib=self.memory_mib,
            used_memory_mib=used,
            temperature=round(COOL + (HOT - COOL) * load + noise, 1),
            memory_temperature=round(COOL + 4 + (HOT - COOL) * load + noise, 1),
            utilization=round(100 * load, 1),
            memory_utilization=round(100 * used / self.memory_mib, 1),
            power=round(IDLE_WATTS + (BUSY_WATTS - IDLE_WATTS) * load + noise, 1),
        )
