import math
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Protocol

from clients.agent.devices.facts import HOLDS, MOST_FACTS, NOBODY, Fact, FactMemory, Identity
from clients.channel import sendable
from protocol import wire
from protocol.measures import measured
from protocol.v1 import agents_pb2 as pb

LONGEST_INDEX = 4  # digits
PCI_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])")
UNREADABLE = ("n/a", "err!", "none", "unknown")


@dataclass(frozen=True)
class DeviceReading:
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
    identity: Identity = NOBODY
    facts: tuple[Fact, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether anything could be measured; of a lost card nothing can."""
        values = (self.used_memory_mib, self.temperature, self.memory_temperature, self.utilization, self.power)
        return self.memory_mib > 0 or any(value is not None for value in values)

    def info(self) -> pb.DeviceInfo:
        """Return what never changes of it."""
        identity = self.identity
        return pb.DeviceInfo(
            index=self.index,
            model=self.model,
            memory_mib=measured("memory", self.memory_mib) or 0,
            uuid=identity.uuid,
            serial=identity.serial,
            pci_address=identity.pci_address,
            driver_version=identity.driver_version,
            firmware_version=identity.firmware_version,
        )

    def health(self) -> pb.DeviceHealth:
        """Return what is wrong with it."""
        return pb.DeviceHealth(index=self.index, facts=[fact.message() for fact in self.facts[:MOST_FACTS]])

    def telemetry(self) -> pb.DeviceTelemetry:
        """Return what changes all the time; an impossible value is absent."""
        return pb.DeviceTelemetry(
            index=self.index,
            temperature_celsius=measured("temperature", self.temperature),
            memory_temperature_celsius=measured("temperature", self.memory_temperature),
            utilization_percent=measured("share", self.utilization),
            memory_utilization_percent=measured("share", self.memory_utilization),
            used_memory_mib=measured("memory", self.used_memory_mib),
            power_watts=measured("power", self.power),
        )


class DeviceReader(Protocol):
    """A source of device readings."""

    async def read(self, busy: Set[int]) -> list[DeviceReading]:
        """Read all devices, by index. `busy` ones have a worker. Raises DevicesUnreadable."""

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Reset a device, of which at least the index is known, and forget what was kept of it. Raises WorkerError."""


def number(value: object) -> float | None:
    """Return a finite number out of what a tool printed: 35, "35.0", {"value": 35, "unit": "C"}; None for N/A, NaN."""
    if isinstance(value, dict):
        value = value.get("value")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: object) -> str:
    """Return a name that a tool printed; "" for what stands in place of one: N/A, ERR!, [Unknown Error]."""
    found = sendable(value.strip()) if isinstance(value, str) else ""
    placeholder = found.lower().startswith(UNREADABLE) or (found.startswith("[") and found.endswith("]"))
    return "" if placeholder else found


def pci_address(value: object) -> str:
    """Return an address like 0000:65:00.0; NVIDIA prints a domain of eight digits. "" for anything else."""
    found = PCI_ADDRESS.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return f"{int(found[1], 16):04x}:{found[2]}" if found else ""


def is_index(value: object) -> bool:
    """Whether it is the number of a device: N/A, words, or a number that no device has, stand for a card in trouble."""
    found = str(value)
    numbered = isinstance(value, str | int) and found.isascii() and found.isdecimal() and len(found) <= LONGEST_INDEX
    return numbered and int(found) < wire.MAX_DEVICES


def readable(readings: Iterable[DeviceReading]) -> list[DeviceReading]:
    """Return, by index, the devices of which anything is known: a measured value, or what is wrong."""
    known = (reading for reading in readings if reading.measured or reading.facts)
    return sorted(known, key=lambda reading: reading.index)


def part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a section of what a tool printed; one that could not be read is the string N/A."""
    section = found.get(name)
    return section if isinstance(section, dict) else {}


def whole(value: float | None) -> int | None:
    """Round down what must be an integer that is not negative."""
    return None if value is None else max(0, int(value))


def percent(part: float | None, total: float | None) -> float | None:
    """Return part of total, %."""
    return None if part is None or not total else 100.0 * part / total


def holding(reading: DeviceReading, memory: FactMemory) -> DeviceReading:
    """Return a reading with what the memory keeps of its device; facts in HOLDS stay after they were last seen."""
    for fact in reading.facts:
        if fact.code in HOLDS:
            memory.note(reading.index, fact, HOLDS[fact.code])
    if not (kept := memory.of(reading.index)):
        return reading
    return replace(reading, facts=(*(fact for fact in reading.facts if fact.code not in HOLDS), *kept))
