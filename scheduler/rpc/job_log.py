"""Reads output of jobs for their clients in VMs."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.crypto import digest
from core.errors import InvalidParameter, NotFound
from core.numbers import MAX_ID
from core.pace import TooManyCalls
from core.rpc import in_thread
from protocol.v1 import jobs_pb2 as pb
from scheduler.choices import LIVE
from scheduler.logs.notes import problem_note
from scheduler.logs.reading import LEAST_BYTES, MOST_WORKERS, TAIL, Known, WorkerLog, ask_logs, read_known
from scheduler.models import Job, Worker
from scheduler.queries.workers import workers_with_output
from tokens.queries import authenticate_token

AT_ONCE, OF_TOKEN = 8, 2  # calls that wait for agents, in a process and of a token
GROWTH = 4  # bytes of a text for each byte of an output, at most


class LogReader:
    """Reads for few callers at once, in threads of its own: an agent that does not answer delays no other call."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="logs")
        self._reading: Counter[str] = Counter()

    async def read(self, token: str, request: pb.ReadLogRequest) -> pb.ReadLogResponse:
        """Return output of a job's workers. Raises NotFound, InvalidParameter, TooManyCalls."""
        positions = {place.worker_id: _offset(place) for place in request.positions}
        with self._counted(digest(token)):
            workers, known = await in_thread(_find, token, request.job_id, {*positions})
            limit = max(LEAST_BYTES, min(request.limit or TAIL, _most(len(workers))))
            loop = asyncio.get_running_loop()
            logs = await loop.run_in_executor(self._threads, ask_logs, known, workers, positions, limit)
        return pb.ReadLogResponse(workers=[_message(log) for log in logs])

    @contextmanager
    def _counted(self, caller: str) -> Iterator[None]:
        if self._reading.total() >= AT_ONCE or self._reading[caller] >= OF_TOKEN:
            raise TooManyCalls(1.0)
        self._reading[caller] += 1
        try:
            yield
        finally:
            self._reading[caller] -= 1
            self._reading += Counter()  # forget callers at zero


def _find(token: str, job_id: int, wanted: set[int]) -> tuple[list[Worker], Known]:
    """Return the workers of a job of a token, or those that are wanted. Raises NotFound, Unauthenticated."""
    job = Job.objects.filter(pk=job_id, token=authenticate_token(token)).first() if 0 < job_id <= MAX_ID else None
    if job is None:
        raise NotFound(job_id=job_id)
    workers = [worker for worker in workers_with_output(job) if not wanted or worker.pk in wanted][:MOST_WORKERS]
    return workers, read_known(workers)


def _offset(place: pb.LogPosition) -> int:
    if place.offset < 0:
        raise InvalidParameter(_("An offset counts from 0."), parameter="positions.offset")
    return place.offset


def _most(workers: int) -> int:
    """Return how many bytes of each worker fit into an answer."""
    return int(settings.MOREH_GRPC_MAX_MESSAGE) // GROWTH // max(1, workers)


def _message(log: WorkerLog) -> pb.WorkerLog:
    return pb.WorkerLog(
        worker_id=log.worker.pk,
        host=log.worker.backend.name,
        text=log.text,
        next_offset=log.next_offset,
        running=log.running or (log.problem is not None and log.worker.job.status in LIVE),
        more=log.more,
        problem=problem_note(log),
    )
