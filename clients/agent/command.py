import asyncio
import contextlib
from collections.abc import Sequence

LAST_WAIT = 1.0  # seconds for a killed command to go; one that is stuck in a driver never does


class CommandFailed(Exception):
    """A command was not there, did not end in time, or failed; the text names it."""


async def output_of(command: Sequence[str], patience: float) -> str:
    """Run a command for at most `patience` seconds and return what it prints. Raises CommandFailed."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error.strerror}") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError as error:
        raise CommandFailed(f"{command[0]} did not answer within {patience:.0f} s") from error
    finally:
        await _end(process)
    if process.returncode:
        raise CommandFailed(f"{command[0]} ended with exit code {process.returncode}{_last_line(output + errors)}")
    return output.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.communicate(), LAST_WAIT)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""
