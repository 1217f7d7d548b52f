"""Whether a node can be trusted with work."""

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set

from clients.agent.command import output_of
from clients.agent.devices import DeviceReader, DeviceReading, DevicesUnreadable
from clients.agent.errors import CommandFailed
from protocol.v1 import agents_pb2 as pb

TIMEOUT = 60.0  # seconds, of an operator's own check
TIMEOUT_EACH = 30.0  # seconds, when each device is checked again by itself to find out which one is bad
TAIL = 400  # characters of what a failed check printed last
UNUSABLE = {pb.HealthFact.LOST, pb.HealthFact.RESET_REQUIRED}
INHERITED = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")
RunCheck = Callable[[str, Sequence[int], float], Awaitable[str]]
"""Runs a check command on some devices for so many seconds at most; returns what is wrong, or ""."""


class HealthCheck:
    """Reads the devices and keeps what is wrong. `present` are the indexes seen at the last reading that succeeded."""

    def __init__(self, devices: DeviceReader, run_check: RunCheck | None = None) -> None:
        self._devices = devices
        self._run_check = run_check or run_command
        self._seen: dict[int, DeviceReading] = {}
        self._met: dict[int, DeviceReading] = {}  # also those that are lost by now
        self._sick: list[DeviceReading] = []
        self._trouble = ""
        self._failed_check = ""
        self.present: frozenset[int] = frozenset()

    async def read(self, busy: Set[int]) -> list[DeviceReading]:
        """Read all devices; none when they cannot be read, which says nothing about the devices themselves."""
        try:
            found = await self._devices.read(busy)
        except DevicesUnreadable as error:
            self._trouble = str(error)
            return []
        readings = [reading for reading in found if reading.measured]
        if self.present and not found:
            self._trouble = "no device can be read any more"
            return []
        self._trouble = ""
        self._sick = [reading for reading in found if reading.facts]
        self._seen = {reading.index: reading for reading in readings}
        self.present = frozenset(self._seen)
        self._met |= self._seen
        return readings

    def known(self) -> list[pb.DeviceInfo]:
        """Return the devices that are there, by index."""
        return [self._seen[index].info() for index in sorted(self.present)]

    def device(self, index: int) -> pb.DeviceInfo:
        """Return what is known of a device, also of one that is lost by now."""
        return self._met[index].info() if index in self._met else pb.DeviceInfo(index=index)

    def facts(self) -> list[pb.DeviceHealth]:
        """Return what is wrong with devices, as it was last read; also with those that are lost."""
        return [reading.health() for reading in self._sick]

    def sick(self, why: str) -> None:
        """Remember trouble until the next check succeeds."""
        self._failed_check = why

    def latest(self) -> pb.Health:
        """Return the health that was last found, without a new check."""
        text = "; ".join(part for part in (self._trouble, self._failed_check) if part)
        return pb.Health(ok=not text, text=text)

    async def run(self, command: str) -> pb.Health:
        """Check the node again, with the operator's command when there is one."""
        await self.read(set())
        self._failed_check = await self._run_check(command, sorted(self.present), TIMEOUT) if command else ""
        return self.latest()

    async def check(self, command: str, devices: Sequence[int], busy: Set[int]) -> tuple[str, list[int]]:
        """Check some devices together, with the operator's command when there is one.

        Return what is wrong and which devices are bad: those that fail by themselves too, or all if none does.
        """
        if not command:
            return await self._look_at(devices, busy)
        if not (wrong := await self._run_check(command, devices, TIMEOUT)):
            return "", []
        if len(devices) == 1:
            return wrong, list(devices)
        each = min(TIMEOUT, TIMEOUT_EACH)
        found = await asyncio.gather(*(self._run_check(command, [device], each) for device in devices))
        bad = {device: text for device, text in zip(devices, found, strict=True) if text}
        return (next(iter(bad.values())), list(bad)) if bad else (wrong, list(devices))

    async def _look_at(self, devices: Sequence[int], busy: Set[int]) -> tuple[str, list[int]]:
        """Return what is wrong with devices that cannot be read or used, and which these are."""
        await self.read(busy)
        if self._trouble:
            return self._trouble, list(devices)
        unusable = {one.index for one in self._sick if any(fact.code in UNUSABLE for fact in one.facts)}
        bad = [index for index in devices if index in unusable or index not in self.present]
        return (f"device {bad[0]} cannot be used", bad) if bad else ("", [])


async def run_command(command: str, devices: Sequence[int], timeout: float) -> str:
    """Run an operator's command on some devices; return why it failed with the end of its output, or ""."""
    try:
        await output_of(shlex.split(command), timeout, _environment(devices))
    except CommandFailed as error:
        return "\n".join([str(error), *error.printed[-TAIL:].splitlines()[:-1]])
    except (ValueError, IndexError):
        return "the command of the health check cannot be read"
    return ""


def _environment(devices: Sequence[int]) -> Mapping[str, str]:
    indexes = ",".join(map(str, devices))
    return {
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        "MOREH_DEVICES": indexes,
        "ROCR_VISIBLE_DEVICES": indexes,
        "CUDA_VISIBLE_DEVICES": indexes,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
