"""A trace replayed by VM clients against a running product, and what its rows say afterwards."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from uuid import uuid4

from django.db.models import QuerySet

from backends.models import BackendGroup
from clients.channel import Server
from core.clock import to_ms
from fleet.trace.customers import Customer, customer_of, make_customers
from fleet.trace.nodes import simulated
from fleet.trace.traffic import Errand, ErrandResult, send_all
from scheduler.choices import OVER, JobStatus
from scheduler.cycle.load import load
from scheduler.models import Allocation, Job
from scheduler.replay.trace import TraceJob, TraceNode
from sda.models import Sda

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a live replay: accepted jobs all ended or are lost; `device_ms` was billed for them."""

    asked: int
    too_large: int
    accepted: int
    ran: int
    completed: int
    lost: int
    device_ms: int
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether every job was accepted, ran and completed."""
        return self.asked == self.accepted == self.ran == self.completed and not self.lost


@dataclass(frozen=True, slots=True)
class Live:
    """A replay to be: which jobs, `speed` times as fast, on which group, with nodes of its own or the group's."""

    prefix: str
    group: BackendGroup
    jobs: Sequence[TraceJob]
    speed: float
    own_nodes: Sequence[TraceNode] = ()


def replay_live(live: Live, address: str, report: Report) -> Result:
    """Request every job of a trace that the group can ever place, at its time, from the server; wait until all end.

    Raises TimeoutError when the server does not greet the nodes, DomainError when something cannot be made.
    """
    largest = _largest_job(live)
    jobs = [job for job in live.jobs if job.devices <= largest]
    sdas = make_customers(live.prefix, live.group, jobs)
    run = uuid4().hex[:16]
    errands = _errands(jobs, sdas, live.speed, run)
    begun = monotonic()
    with TemporaryDirectory(prefix="moreh-trace-") as folder:
        outcomes = asyncio.run(_send(live, errands, Server.from_env(address), Path(folder), report))
    seconds = monotonic() - begun
    mine = Job.objects.filter(token__in={sda.token_id for sda in sdas.values()}, request_id__startswith=f"{run}-")
    return _result(len(live.jobs) - len(jobs), outcomes, mine, seconds)


def _largest_job(live: Live) -> int:
    """Return how many devices a job may want; one that wants more would wait for ever, and others behind it."""
    if live.own_nodes:
        return sum(node.devices for node in live.own_nodes)
    cluster = load(live.group.pk)
    return cluster.capacity if cluster.combine else cluster.largest_node


def _errands(jobs: Sequence[TraceJob], sdas: Mapping[Customer, Sda], speed: float, run: str) -> list[Errand]:
    first_ms = min((job.submitted_ms for job in jobs), default=0)
    return [
        Errand(
            request_id=f"{run}-{number}",
            name=job.name,
            token=sdas[customer_of(job)].token.value,
            at=(job.submitted_ms - first_ms) / 1000 / speed,
            seconds=job.run_ms / 1000 / speed,
        )
        for number, job in enumerate(jobs)
    ]


async def _send(
    live: Live, errands: Sequence[Errand], server: Server, folder: Path, report: Report
) -> list[ErrandResult]:
    if not live.own_nodes:
        return await send_all(errands, server, report)
    async with simulated(live.own_nodes, live.group, server, folder):
        report(f"{len(live.own_nodes):,} nodes are up")
        return await send_all(errands, server, report)


def _result(too_large: int, outcomes: Sequence[ErrandResult], mine: QuerySet[Job], seconds: float) -> Result:
    """Compare what the clients saw with the rows."""
    rows = dict(mine.values_list("pk", "status"))
    accepted = {outcome.job_id for outcome in outcomes if outcome.job_id}
    over = {pk for pk, status in rows.items() if status in OVER}
    times = Allocation.objects.filter(job__in=mine.order_by()).values_list("started_at", "ended_at")
    return Result(
        asked=len(outcomes),
        too_large=too_large,
        accepted=len(accepted),
        ran=sum(outcome.ran for outcome in outcomes),
        completed=sum(status == JobStatus.COMPLETED for status in rows.values()),
        lost=len((accepted | rows.keys()) - over),
        device_ms=sum(to_ms(end) - to_ms(start) for start, end in times if end),
        seconds=seconds,
    )
