from collections.abc import Callable, Sequence, Set

from clients.agent.command import CommandFailed, output_of
from clients.agent.devices import parse
from clients.agent.devices.reading import DevicesUnreadable, Reading

PATIENCE = 10.0  # seconds; a tool that hangs longer sits in a sick driver

AMD_SMI = (("amd-smi", "static", "--asic", "--json"), ("amd-smi", "metric", "--json"))
ROCM_SMI = (
    ("rocm-smi", "--showproductname", "--showtemp", "--showuse", "--showpower", "--showmeminfo", "vram", "--json"),
)
NVIDIA_SMI = (("nvidia-smi", f"--query-gpu={','.join(parse.NVIDIA_FIELDS)}", "--format=csv,noheader,nounits"),)


class ToolDevices:
    """Devices as a vendor's tool shows them: runs the commands, gives their outputs to the parser."""

    def __init__(self, commands: Sequence[Sequence[str]], parser: Callable[..., list[Reading]]) -> None:
        self._commands = commands
        self._parser = parser

    async def read(self, busy: Set[int]) -> list[Reading]:  # noqa: ARG002 - the hardware knows
        """Run the tool. Raises DevicesUnreadable."""
        try:
            return self._parser(*[await output_of(command, PATIENCE) for command in self._commands])
        except CommandFailed as error:
            raise DevicesUnreadable(str(error)) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DevicesUnreadable(f"{self._commands[0][0]} printed something else: {error}") from error
