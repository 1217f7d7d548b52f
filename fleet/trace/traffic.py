"""VM clients that ask for a trace's jobs at its own pace, or many times as fast."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clients.backoff import Backoff
from clients.channel import Server
from clients.run import DeviceRequest, JobClient, JobEnded, JobRefused

AT_ONCE = 500  # clients with an open stream; those who would be more come later


@dataclass(frozen=True, slots=True)
class Errand:
    """A job to ask for `at` seconds after the beginning, and to run for `seconds`."""

    request_id: str
    name: str
    token: str = field(repr=False)
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ErrandResult:
    """Result of an errand as its client saw it; `job_id` 0 was never accepted, `status` "" has no end."""

    job_id: int
    ran: bool
    status: str


async def send_all(errands: Sequence[Errand], server: Server, report: Callable[[str], None]) -> list[ErrandResult]:
    """Run errands, in the order of their time, to their ends; Ctrl-C cancels their jobs."""
    gate, begun = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time()
    outcomes: list[ErrandResult] = []

    async def run(errand: Errand) -> None:
        try:
            outcomes.append(await _run(errand, server))
        finally:
            gate.release()
        if len(outcomes) % 500 == 0 or len(outcomes) == len(errands):
            report(f"{len(outcomes):,} of {len(errands):,} jobs are over")

    async with asyncio.TaskGroup() as tasks:
        for errand in errands:
            await asyncio.sleep(begun + errand.at - asyncio.get_running_loop().time())
            await gate.acquire()
            tasks.create_task(run(errand))
    return outcomes


async def _run(errand: Errand, server: Server) -> ErrandResult:
    request = DeviceRequest(process_name=errand.name, framework="trace", request_id=errand.request_id)
    ran = False
    async with JobClient(server, errand.token, request, backoff=Backoff(longest=3.0)) as job:
        try:
            await job.ready()
            ran = True
            await asyncio.sleep(errand.seconds)
            await job.finish(0)
        except (JobEnded, JobRefused, TimeoutError):
            pass  # what it came to is in `ended`, or nowhere
        return ErrandResult(job.job_id, ran, job.ended.status if job.ended else "")
