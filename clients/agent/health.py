"""Whether a node can be trusted with work."""

from collections.abc import Sequence, Set

from clients.agent.command import CommandFailed, output_of
from clients.agent.devices import Devices, DevicesUnreadable, Reading
from protocol.v1 import agents_pb2 as pb

PATIENCE = 60.0  # seconds, of an operator's own check


class HealthCheck:
    """Reads the devices and remembers what should be there. `present` are the indexes seen last."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._expected: dict[int, Reading] = {}
        self._trouble = ""
        self._failed_check = ""
        self.present: set[int] = set()

    async def read(self, busy: Set[int]) -> list[Reading]:
        """Read all devices; none when they cannot be read."""
        try:
            readings = await self._devices.read(busy)
        except DevicesUnreadable as error:
            self._trouble = str(error)  # which says nothing about the devices themselves
            return []
        self._expected |= {reading.index: reading for reading in readings if reading.index not in self._expected}
        self.present = {reading.index for reading in readings}
        gone = sorted(self._expected.keys() - self.present)
        self._trouble = f"device {', '.join(map(str, gone))} vanished" if gone else ""
        return readings

    def known(self) -> list[pb.DeviceInfo]:
        """List the devices that are there."""
        return [self._expected[index].info() for index in sorted(self.present)]

    def sick(self, why: str) -> None:
        """Remember trouble until the next check succeeds."""
        self._failed_check = why

    def verdict(self) -> pb.Health:
        """Say how it stands, without looking again."""
        text = "; ".join(part for part in (self._trouble, self._failed_check) if part)
        return pb.Health(ok=not text, text=text)

    async def run(self, command: Sequence[str]) -> pb.Health:
        """Look again, with the operator's command when there is one."""
        await self.read(set())
        self._failed_check = await _failure(command) if command else ""
        return self.verdict()


async def _failure(command: Sequence[str]) -> str:
    try:
        await output_of(command, PATIENCE)
    except CommandFailed as error:
        return str(error)
    return ""
