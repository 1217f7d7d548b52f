"""moreh-run as a process of its own, against a manager in memory."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.clients.job_peer import RUNNING, TOKEN, Manager, manager

Process = asyncio.subprocess.Process


async def run(port: int, *command: str, token: str | None = TOKEN, options: tuple[str, ...] = ()) -> Process:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"MOREH_SERVER": f"127.0.0.1:{port}"} | ({"MOREH_TOKEN": token} if token else {})
    pipe = asyncio.subprocess.PIPE
    root = Path(__file__).parents[2]
    line = (sys.executable, "-m", "clients.run.main", *options, "--", *command)
    return await asyncio.create_subprocess_exec(*line, env=env, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe)


async def end_of(process: Process) -> tuple[int, str, list[str]]:
    async with asyncio.timeout(20):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode().splitlines()


async def line_of(process: Process) -> str:
    assert process.stdout
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[tuple[Manager, Process]]:
    """moreh-run with its devices, and the command about to start."""
    async with manager() as (served, _):
        process = await run(served.port, *command)
        try:
            await served.hears("open")
            served.say(RUNNING)
            yield served, process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def python(code: str) -> tuple[str, str, str]:
    return sys.executable, "-c", code
