import asyncio
import csv
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from clients.agent.command import output_of
from clients.agent.devices.facts import FactMemory
from clients.agent.devices.nvidia import NVIDIA_FIELDS, NVIDIA_HEALTH_FIELDS
from clients.agent.devices.readings import DeviceReader, DeviceReading, holding
from clients.agent.devices.resets import reset_by
from clients.agent.errors import CommandFailed, DevicesUnreadable, WorkerError
from protocol.v1 import agents_pb2 as pb

TIMEOUT = 10.0  # seconds; a tool that hangs longer sits in a sick driver
SELDOM = 60.0  # seconds between two looks at what changes seldom
# What the parsers raise for nonsense: JSON may be nested too deep, and a field of CSV too long.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error)


@dataclass(frozen=True)
class Command:
    """A command of a vendor's tool, and for how many seconds its output may be used again."""

    words: tuple[str, ...]
    every: float = 0.0


AMD_SMI = (
    Command(("amd-smi", "metric", "--json")),
    Command(("amd-smi", "static", "--asic", "--bus", "--vbios", "--driver", "--board", "--json"), SELDOM),
    Command(("amd-smi", "list", "--json"), SELDOM),
    Command(("amd-smi", "bad-pages", "--json"), SELDOM),
)
ROCM_SMI = (
    Command(
        (
            *("rocm-smi", "--showproductname", "--showtemp", "--showuse", "--showpower", "--showmeminfo", "vram"),
            *("--showuniqueid", "--showserial", "--showbus", "--showvbios", "--showdriverversion", "--json"),
        )
    ),
)


def _query(fields: Sequence[str]) -> tuple[Command, ...]:
    return (Command(("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")),)


NVIDIA_SMI, NVIDIA_SMI_HEALTH = _query(NVIDIA_FIELDS), _query(NVIDIA_HEALTH_FIELDS)


class ToolDevices:
    """Devices as a vendor's tool shows them: runs the commands at the same time and parses their outputs.

    The first command shows the devices; what the others cannot read is missing in the readings.
    """

    def __init__(self, commands: Sequence[Command], parser: Callable[..., list[DeviceReading]]) -> None:
        self._commands = commands
        self._parser = parser
        self._outputs: dict[Command, tuple[float, str]] = {}
        self._memory = FactMemory()

    async def read(self, busy: Set[int]) -> list[DeviceReading]:  # noqa: ARG002 - the hardware knows
        """Run the tool. Raises DevicesUnreadable."""
        results = await asyncio.gather(*map(self._output, self._commands))
        outputs, (failure, *_) = zip(*results, strict=True)
        return [holding(reading, self._memory) for reading in self._parse(outputs, failure)]

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Reset a device by the same tool. Raises WorkerError."""
        await reset_by(self._commands[0].words[0], device)
        self._outputs.clear()
        self._memory.forget(device.index)

    async def _output(self, command: Command) -> tuple[str, CommandFailed | None]:
        until, output = self._outputs.get(command, (0.0, ""))
        if time.monotonic() < until:
            return output, None
        try:
            output = await output_of(command.words, TIMEOUT)
        except CommandFailed as error:
            return error.output, error
        self._outputs[command] = time.monotonic() + command.every, output
        return output, None

    def _parse(self, outputs: Sequence[str], failure: CommandFailed | None) -> list[DeviceReading]:
        """Parse what was printed: one broken card makes a tool fail that has shown the others."""
        try:
            found = self._parser(*outputs)
        except UNREADABLE as error:
            if failure:
                raise DevicesUnreadable(str(failure)) from failure
            raise DevicesUnreadable(f"{self._commands[0].words[0]} printed something else: {error}") from error
        if failure and not found:
            raise DevicesUnreadable(str(failure)) from failure
        return found


class FirstTool:
    """Devices as the first of several tools shows them that shows any; from then on only that one is asked.

    A vendor's tool may be installed on a node that has none of its cards, and two tools may number cards differently.
    """

    def __init__(self, tools: Sequence[DeviceReader]) -> None:
        self._tools = tools

    async def read(self, busy: Set[int]) -> list[DeviceReading]:
        """Read the devices. Raises DevicesUnreadable with what each tool said, when none shows a device."""
        failures: dict[str, None] = {}
        for tool in self._tools:
            try:
                if found := await tool.read(busy):
                    self._tools = [tool]
                    return found
            except DevicesUnreadable as error:
                failures[str(error)] = None
        if failures:
            raise DevicesUnreadable("; ".join(failures))
        return []

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Reset a device by the tool that has shown it. Raises WorkerError."""
        if len(self._tools) != 1:
            raise WorkerError("no tool has shown this device yet")
        await self._tools[0].reset(device)
