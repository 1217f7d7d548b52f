import math
from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

from protocol.v1 import agents_pb2 as pb


class DevicesUnreadable(Exception):
    """The tool that knows the devices failed."""


@dataclass(frozen=True)
class Reading:
    """One device at one moment; None is what could not be read. °C, %, MiB, W."""

    index: int
    model: str
    memory_mib: int
    used_memory_mib: int | None = None
    temperature: float | None = None
    memory_temperature: float | None = None
    utilization: float | None = None
    memory_utilization: float | None = None
    power: float | None = None

    def info(self) -> pb.DeviceInfo:
        """What never changes of it."""
        return pb.DeviceInfo(index=self.index, model=self.model, memory_mib=self.memory_mib)

    def telemetry(self) -> pb.DeviceTelemetry:
        """What changes all the time."""
        return pb.DeviceTelemetry(
            index=self.index,
            temperature_celsius=self.temperature,
            memory_temperature_celsius=self.memory_temperature,
            utilization_percent=self.utilization,
            memory_utilization_percent=self.memory_utilization,
            used_memory_mib=self.used_memory_mib,
            power_watts=self.power,
        )


class Devices(Protocol):
    """Where an agent reads its devices."""

    async def read(self, busy: Set[int]) -> list[Reading]:
        """Read all devices, by index. `busy` ones have a worker. Raises DevicesUnreadable."""


def number(value: object) -> float | None:
    """Take a finite number out of what a tool printed: 35, "35.0", {"value": 35, "unit": "C"}; N/A and NaN are None."""
    if isinstance(value, dict):
        value = value.get("value")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def whole(value: float | None) -> int | None:
    """Round down what must be an integer that is not negative."""
    return None if value is None else max(0, int(value))


def share(part: float | None, total: float | None) -> float | None:
    """Return part of total, %."""
    return None if part is None or not total else 100.0 * part / total
