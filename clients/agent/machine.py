"""What an agent does to repair its node: reset devices and reboot, each only if it was started with leave to."""

import asyncio
import shlex
from pathlib import Path
from typing import Protocol

from clients.agent.command import output_of
from clients.agent.devices import DeviceReader
from clients.agent.errors import CommandFailed, WorkerError
from protocol.v1 import agents_pb2 as pb

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ASKED_WITHIN = 60.0  # seconds for the command that asks for the restart
RESTARTED_WITHIN = 300.0  # seconds from then on; a node that is still there has not restarted


class Machine(Protocol):
    """The node of an agent."""

    def boot_id(self) -> str:
        """Return what is another text at each start of the operating system; "" if it cannot be told."""

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Reset a device. Raises WorkerError."""

    async def reboot(self) -> None:
        """Restart the operating system, which ends this process. Raises WorkerError if it does not restart."""


class ThisMachine:
    """The machine on which the agent runs. An empty `reboot_command`: it is never restarted."""

    def __init__(self, devices: DeviceReader, *, may_reset: bool = False, reboot_command: str = "") -> None:
        self._devices = devices
        self._may_reset = may_reset
        self._reboot_command = reboot_command

    def boot_id(self) -> str:
        """Return the kernel's."""
        try:
            return BOOT_ID.read_text().strip()
        except OSError:
            return ""

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Reset a device by its vendor's tool. Raises WorkerError."""
        if not self._may_reset:
            raise WorkerError("this agent may not reset devices: it was started without --allow-reset")
        await self._devices.reset(device)

    async def reboot(self) -> None:
        """Run the operator's command and wait for the end of this process. Raises WorkerError."""
        if not self._reboot_command:
            raise WorkerError("this agent may not reboot its node: it was started without --reboot-command")
        try:
            await output_of(shlex.split(self._reboot_command), ASKED_WITHIN)
        except (CommandFailed, ValueError, IndexError) as error:
            raise WorkerError(f"the node cannot be rebooted: {error}") from error
        await asyncio.sleep(RESTARTED_WITHIN)
        raise WorkerError("the node was to reboot, and did not")
