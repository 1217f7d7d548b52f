import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from clients.agent.errors import CommandFailed

LAST_WAIT = 1.0  # seconds for a killed command to go; one that is stuck in a driver never does


async def output_of(command: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> str:
    """Run a command for at most `timeout` seconds and return what it prints. Raises CommandFailed.

    It leads a session of its own and is killed with all that it started. `env`: its whole environment; None: ours.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=pipe, env=env, start_new_session=True
        )
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error.strerror}") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError as error:
        raise CommandFailed(f"{command[0]} did not answer within {timeout:.0f} s") from error
    finally:
        await _end(process)
    if process.returncode:
        printed = (output + errors).decode(errors="replace").strip()
        text = f"{command[0]} ended with exit code {process.returncode}{_last_line(printed)}"
        raise CommandFailed(text, output.decode(errors="replace"), printed)
    return output.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.communicate(), LAST_WAIT)


def _last_line(printed: str) -> str:
    lines = printed.splitlines()
    return f": {lines[-1][:200]}" if lines else ""
