"""VM clients as a process: runs the jobs of a file, each under its request id, and writes down what it was told.

{"tokens": [...], "server": …, "told": FILE, "jobs": [[request id, number of the token, seconds], …]} in CRASH_JOBS.
Started again it asks again for every job whose end it has not heard.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from clients.channel import Server
from clients.patience import Backoff
from clients.run import JobClient, Request


async def run(request_id: str, token: str, seconds: float, server: Server, told: Path) -> None:
    """Run one job to its end."""
    client = JobClient(server, token, Request(request_id=request_id), backoff=Backoff(longest=1.0))
    client.start()
    running: asyncio.Task[Any] | None = None
    async for update in client.updates():
        if client.ended is None:
            tell(told, request_id=request_id, job_id=update.job_id)
        if update.HasField("running") and running is None:
            running = asyncio.create_task(finish(client, seconds))
    assert client.ended is not None
    tell(told, request_id=request_id, job_id=client.job_id, status=client.ended.status)
    if running:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    client.abandon()


async def finish(client: JobClient, seconds: float) -> None:
    """Give the devices back when the program is over, however long no server is there."""
    await asyncio.sleep(seconds)
    while client.ended is None:
        with contextlib.suppress(TimeoutError):
            await client.finish(0)


def tell(file: Path, **line: object) -> None:
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")


def heard(file: Path) -> set[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return {line["request_id"] for text in lines if "status" in (line := json.loads(text))}


async def main() -> None:
    order = json.loads(os.environ["CRASH_JOBS"])
    told, server = Path(order["told"]), Server(order["server"])
    over = heard(told)
    todo = [job for job in order["jobs"] if job[0] not in over]
    await asyncio.gather(*(run(request, order["tokens"][n], secs, server, told) for request, n, secs in todo))


if __name__ == "__main__":
    asyncio.run(main())
