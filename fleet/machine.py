"""What the agent of a simulated node may do to repair it."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

from fleet.faults import Mend, SimulatedDevices
from protocol.v1 import agents_pb2 as pb

RESET_TAKES = 0.5  # seconds


class SimulatedMachine:
    """A machine since its last start. `restart` ends everything on it, this agent too."""

    def __init__(self, devices: SimulatedDevices, restart: Callable[[], None]) -> None:
        self._devices = devices
        self._restart = restart
        self._boot_id = str(uuid4())

    def boot_id(self) -> str:
        """Return the id of this start."""
        return self._boot_id

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Repair what a reset repairs."""
        await asyncio.sleep(RESET_TAKES)
        self._devices.mend(Mend.RESET, [device.index])

    async def reboot(self) -> None:
        """Repair what a reboot repairs, and start anew; this call never returns."""
        self._devices.mend(Mend.REBOOT)
        self._restart()
        await asyncio.Event().wait()
