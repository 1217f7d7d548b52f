"""What a health check before a job costs on its node: `python -m benchmarks.agents.preflight [--jobs 200]`.

A real agent gets the orders of jobs one by one and starts their workers: without a check, with its own look at the
devices, and with a command that does nothing. Beside it: the same command started by Python alone.
"""

import argparse
import asyncio
import os
import subprocess
import time
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.clients.agent_node import world
from tests.clients.agent_peer import Manager, start, stop

COMMAND = "true"
CASES: dict[str, dict[str, Any]] = {
    "no check": {},
    "the agent looks at the devices": {"preflight_command": ""},
    f"the command {COMMAND!r}": {"preflight_command": COMMAND},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    jobs = parser.parse_args().jobs
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {jobs} jobs of 8 devices each", flush=True)
    with TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), jobs))
    spawned = [_timed_spawn() for _ in range(jobs)]
    print(f"{'the command alone, by subprocess':<34} median {median(spawned) * 1000:6.1f} ms")


async def measure(folder: Path, jobs: int) -> None:
    """Print the time from the order to its result, for each case in turn."""
    async with world(folder) as (_node, manager):
        await manager.hello()
        seconds: dict[str, list[float]] = {case: [] for case in CASES}
        numbers = count(1)
        for _ in range(jobs):
            for case, fields in CASES.items():
                seconds[case].append(await _start(manager, next(numbers), fields))
        for case, taken in seconds.items():
            print(f"{case:<34} median {median(taken) * 1000:6.1f} ms, longest {max(taken) * 1000:6.1f} ms", flush=True)


async def _start(manager: Manager, worker: int, fields: dict[str, Any]) -> float:
    begun = time.monotonic()
    order = manager.order(start(worker=worker, devices=tuple(range(8)), **fields))
    result = await manager.result(order)
    taken = time.monotonic() - begun
    assert result.ok, result.error
    assert (await manager.result(manager.order(stop(worker)))).ok
    manager.heard.clear()
    return taken


def _timed_spawn() -> float:
    begun = time.monotonic()
    subprocess.run([COMMAND], check=True)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
