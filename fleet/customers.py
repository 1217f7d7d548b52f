import asyncio
import json
import logging
import random
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from clients.backoff import Backoff
from clients.channel import Server
from clients.run import DeviceRequest, JobClient, JobEnded, JobRefused
from fleet.roster import DEVICE_MEMORY, Customer
from protocol.v1 import jobs_pb2 as pb

SHORT, LONG = (5.0, 60.0), (120.0, 360.0)  # seconds that a job runs
LONG_SHARE = 0.1  # of the jobs: they run when their node is lost, or waits for its drain
AT_ONCE = 6  # jobs of one customer, waiting ones included: the queue is long sometimes, never endless
PROGRAMS = ("train.py", "finetune.py", "serve.py", "eval.py")

logger = logging.getLogger("fleet")


@dataclass(frozen=True)
class Job:
    """One program of a customer's VM. Asking with the same request id gives the same job, also tomorrow."""

    request_id: str
    customer: str
    program: str
    pid: int
    seconds: float


class Customers:
    """Customers that request jobs of random lengths at a given rate; they resume those of the last simulation."""

    def __init__(self, customers: list[Customer], server: Server, folder: Path) -> None:
        self._by_name = {customer.name: customer for customer in customers}
        self._server = server
        self._file = folder / "jobs.json"
        self._live: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random()  # noqa: S311 - a simulation

    async def live(self, per_minute: int) -> None:
        """Request jobs until cancelled; a cancelled customer stops without ending its jobs."""
        try:
            for job in self._remembered():
                self._begin(job)
            while per_minute:
                await asyncio.sleep(self._random.expovariate(per_minute / 60))
                if customer := self._somebody():
                    self._begin(self._new_job(customer))
            await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()

    def _somebody(self) -> Customer | None:
        busy = Counter(job.customer for job in self._live.values())
        free = [customer for customer in self._by_name.values() if busy[customer.name] < AT_ONCE]
        return self._random.choices(free, [customer.weight for customer in free])[0] if free else None

    def _new_job(self, customer: Customer) -> Job:
        pid = self._random.randint(1000, 60_000)
        seconds = self._random.uniform(*(LONG if self._random.random() < LONG_SHARE else SHORT))
        return Job(str(uuid.uuid4()), customer.name, self._random.choice(PROGRAMS), pid, round(seconds, 1))

    def _begin(self, job: Job) -> None:
        self._live[job.request_id] = job
        self._remember()
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job) -> None:
        request = DeviceRequest(
            pid=job.pid, process_name=job.program, framework="pytorch 2.4", request_id=job.request_id
        )
        token = self._by_name[job.customer].token
        client = JobClient(self._server, token, request, use=lambda: self._use(client), backoff=Backoff(longest=3.0))
        client.start()
        try:
            await self._follow(job, client)
        except JobEnded as end:
            logger.info("%s: job %d ended before it ran: %s", job.customer, client.job_id, end)
        except (JobRefused, TimeoutError) as error:
            logger.warning("%s: %s", job.customer, str(error) or "the manager stayed away")
            await asyncio.sleep(5)
        finally:
            client.abandon()
        del self._live[job.request_id]  # not when cancelled: the next simulation takes it up
        self._remember()

    def _use(self, client: JobClient) -> list[pb.DeviceUse]:
        """Make up what a program that runs uses of its devices."""
        workers = client.last.running.workers if client.last and client.last.HasField("running") else ()
        return [self._device_use(worker.host, index) for worker in workers for index in worker.device_indexes]

    def _device_use(self, host: str, index: int) -> pb.DeviceUse:
        load = self._random.uniform(0.75, 1.0)
        used = int(DEVICE_MEMORY * load * 0.8)
        return pb.DeviceUse(host=host, index=index, used_memory_mib=used, utilization_percent=100 * load)

    async def _follow(self, job: Job, client: JobClient) -> None:
        running = await client.ready()
        devices = sum(len(worker.device_indexes) for worker in running.workers)
        logger.info("%s: job %d runs on %d devices for %.0f s", job.customer, client.job_id, devices, job.seconds)
        try:
            async with asyncio.timeout(job.seconds):
                async for _update in client.updates():
                    pass
        except TimeoutError:
            await client.finish(0)
        ended = client.ended
        assert ended is not None
        logger.info("%s: job %d %s %s", job.customer, client.job_id, ended.status, ended.reason)

    def _remember(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps([asdict(job) for job in self._live.values()]))
        draft.replace(self._file)

    def _remembered(self) -> list[Job]:
        known = json.loads(self._file.read_text()) if self._file.exists() else []
        return [Job(**job) for job in known if job["customer"] in self._by_name]
