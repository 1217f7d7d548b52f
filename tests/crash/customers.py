"""VM clients as a process: runs jobs, each under its request id, and writes down what it receives.

CRASH_JOBS: {"tokens": [...], "server": …, "received": FILE, "jobs": [[request id, number of the token, seconds], …]}.
Started again, it submits again every job whose end it has not received.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from clients.backoff import Backoff
from clients.channel import Server
from clients.run import DeviceRequest, JobClient


async def run(request_id: str, token: str, seconds: float, server: Server, received: Path) -> None:
    """Run one job to its end."""
    client = JobClient(server, token, DeviceRequest(request_id=request_id), backoff=Backoff(longest=1.0))
    client.start()
    running: asyncio.Task[Any] | None = None
    async for update in client.updates():
        if client.ended is None:
            write_line(received, request_id=request_id, job_id=update.job_id)
        if update.HasField("running") and running is None:
            running = asyncio.create_task(finish(client, seconds))
    assert client.ended is not None
    write_line(received, request_id=request_id, job_id=client.job_id, status=client.ended.status)
    if running:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    client.abandon()


async def finish(client: JobClient, seconds: float) -> None:
    """Report the end of the program, however long no server is there."""
    await asyncio.sleep(seconds)
    while client.ended is None:
        with contextlib.suppress(TimeoutError):
            await client.finish(0)


def write_line(file: Path, **line: object) -> None:
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")


def ended_requests(file: Path) -> set[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return {line["request_id"] for text in lines if "status" in (line := json.loads(text))}


async def main() -> None:
    order = json.loads(os.environ["CRASH_JOBS"])
    received, server = Path(order["received"]), Server(order["server"])
    over = ended_requests(received)
    todo = [job for job in order["jobs"] if job[0] not in over]
    await asyncio.gather(*(run(request, order["tokens"][n], secs, server, received) for request, n, secs in todo))


if __name__ == "__main__":
    asyncio.run(main())
