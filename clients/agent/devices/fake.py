import random
from collections.abc import Set

from clients.agent.devices.reading import Reading

IDLE_WATTS, BUSY_WATTS = 90.0, 480.0
COOL, HOT = 34.0, 71.0


class FakeDevices:
    """Devices of a simulated node: warm and busy while a worker is on them. `gone` ones are not seen any more."""

    def __init__(self, count: int, model: str = "MI250", memory_mib: int = 65_536, seed: int | None = None) -> None:
        self.count = count
        self.model = model
        self.memory_mib = memory_mib
        self.gone: set[int] = set()
        self._random = random.Random(seed)  # noqa: S311 - a simulation

    async def read(self, busy: Set[int]) -> list[Reading]:
        """Make up a plausible reading."""
        return [self._reading(index, index in busy) for index in range(self.count) if index not in self.gone]

    def _reading(self, index: int, busy: bool) -> Reading:
        load = self._random.uniform(0.75, 1.0) if busy else 0.0
        used = int(self.memory_mib * load * 0.8)
        noise = self._random.uniform(-1.0, 1.0)
        return Reading(
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
