"""moreh-smi log: the output of a job of this VM's token."""

import asyncio
from collections.abc import Sequence

import grpc
import typer

from clients.backoff import Backoff
from clients.channel import Server, bearer, code_of, explain, is_transient, retry_after
from clients.smi.calls import TIMEOUT, Refused
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsStub

PAUSE = 1.0  # seconds between two questions while nothing is new
MOST = 30_000  # bytes of each worker in one answer


class JobLog:
    """Prints the output of a job: its last lines, and with `follow` what comes until all its workers have ended."""

    def __init__(self, server: Server, token: str, job_id: int) -> None:
        self._server = server
        self._metadata = bearer(token)
        self._job_id = job_id
        self._host = ""
        self._problems: dict[int, str] = {}
        self._several = False

    async def show(self, lines: int, *, follow: bool) -> None:
        """Print it. Raises Refused."""
        try:
            async with self._server.connect() as channel:
                stub = JobsStub(channel)
                logs = await self._read(stub, ())
                self._several = len(logs) > 1
                if not logs:
                    typer.echo(f"No worker of job {self._job_id} has started yet.", err=True)
                for log in logs:
                    self._print(log, "".join(log.text.splitlines(keepends=True)[-lines:]) if lines else "")
                while follow and (open_ := [log for log in logs if log.running or log.more]):
                    await asyncio.sleep(0 if any(log.more for log in open_) else PAUSE)
                    logs = await self._read_again(stub, open_)
                    for log in logs:
                        self._print(log, log.text)
        except grpc.aio.AioRpcError as error:
            raise Refused(f"{explain(error, self._server)} ({code_of(error)})") from error
        except OSError as error:
            raise Refused(str(error)) from error

    async def _read(self, stub: JobsStub, places: Sequence[pb.LogPosition]) -> list[pb.WorkerLog]:
        request = pb.ReadLogRequest(job_id=self._job_id, limit=MOST, positions=places)
        answer = await stub.ReadLog(request, metadata=self._metadata, timeout=TIMEOUT)  # type: ignore[misc]
        return list(answer.workers)

    async def _read_again(self, stub: JobsStub, logs: Sequence[pb.WorkerLog]) -> list[pb.WorkerLog]:
        """Read what follows; an outage of the server is waited out."""
        backoff = Backoff()
        places = [pb.LogPosition(worker_id=log.worker_id, offset=log.next_offset) for log in logs]
        while True:
            try:
                return await self._read(stub, places)
            except grpc.aio.AioRpcError as error:
                if not is_transient(error):
                    raise
                wait = retry_after(error)
                await asyncio.sleep(backoff.next() if wait is None else wait)

    def _print(self, log: pb.WorkerLog, text: str) -> None:
        if log.problem and self._problems.get(log.worker_id) != log.problem:
            typer.echo(f"{log.host}: {log.problem}", err=True)
        self._problems[log.worker_id] = log.problem
        if text and self._several and self._host != log.host:
            typer.echo(f"==> {log.host} <==")
            self._host = log.host
        typer.echo(text, nl=False)
