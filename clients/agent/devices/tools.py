import asyncio
import contextlib
from collections.abc import Callable, Sequence, Set

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
        outputs = [await _output(command) for command in self._commands]
        try:
            return self._parser(*outputs)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DevicesUnreadable(f"{self._commands[0][0]} printed something else: {error}") from error


async def _output(command: Sequence[str]) -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    except OSError as error:
        raise DevicesUnreadable(f"{command[0]}: {error.strerror}") from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError as error:
        raise DevicesUnreadable(f"{command[0]} did not answer within {PATIENCE:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    if process.returncode:
        raise DevicesUnreadable(f"{command[0]} ended with exit code {process.returncode}")
    return output.decode(errors="replace")
