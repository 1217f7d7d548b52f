"""A manager's end of the jobs' streams, in memory: a real gRPC server that tells of one job what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as PackedDetail
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status.rpc_status import to_status

from clients.channel import Server
from protocol import wire
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsServicer, add_JobsServicer_to_server

TOKEN = "token-of-a-test"
RESUME_KEY = "resume-key-of-a-test"
TIMEOUT = 10.0

WAITING = pb.Waiting(place=3, needed=16, available=9, reason="NOT_ENOUGH_FREE", blocker_job_id=12)
RUNNING = pb.Running(
    workers=[
        pb.WorkerAddress(host="node01", address="10.0.0.1:21545", device_indexes=[0, 1]),
        pb.WorkerAddress(host="node02", address="10.0.0.2:21545", device_indexes=[7]),
    ]
)
SUBMITTED = pb.Submitted(hosts=[pb.HostDevices(host="node01", device_indexes=[0, 1])])
State = pb.Waiting | pb.Submitted | pb.Running | pb.Ended
FIELDS = {pb.Waiting: "waiting", pb.Submitted: "submitted", pb.Running: "running", pb.Ended: "ended"}


def rich(code: grpc.StatusCode, reason: str, text: str) -> grpc.Status:
    """Make a status as the real server does."""
    detail = PackedDetail()
    detail.Pack(ErrorInfo(reason=reason, domain=wire.ERROR_DOMAIN))
    status: grpc.Status = to_status(Status(code=code.value[0], message=text, details=[detail]))
    return status


class Manager(JobsServicer):
    """One job: `say` moves it; streams come and go. Finished and Cancel end it."""

    def __init__(self) -> None:
        self.heard: list[pb.ClientMessage] = []
        self.current: pb.JobUpdate | None = None
        self.refusal: grpc.Status | None = None
        self.told: pb.CheckResponse | None = None
        self.streams = 0
        self.deaf = False
        self.server: grpc.aio.Server | None = None
        self.port = 0
        self._listeners: set[asyncio.Queue[pb.JobUpdate | None]] = set()
        self._news = asyncio.Condition()
        self._pushed: asyncio.Queue[pb.JobUpdate | None]

    async def Check(  # noqa: N802 - the protocol's name
        self, _request: pb.CheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CheckResponse:
        if self.told is None:
            await context.abort_with_status(rich(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "No such token."))
        return self.told

    async def ReadLog(  # noqa: N802 - the protocol's name
        self, _request: pb.ReadLogRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ReadLogResponse:
        return pb.ReadLogResponse()

    async def Run(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[pb.ClientMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.JobUpdate]:
        if dict(context.invocation_metadata() or ()).get("authorization") != f"Bearer {TOKEN}":
            await context.abort_with_status(rich(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "Log in first."))
        first = await anext(aiter(request_iterator))
        await self._hear(first)
        if self.refusal is not None:
            await context.abort_with_status(self.refusal)
        if first.HasField("resume") and first.resume.resume_key != RESUME_KEY:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such job.")
        self.streams += 1
        out: asyncio.Queue[pb.JobUpdate | None] = asyncio.Queue()
        self._listeners.add(out)
        listening = asyncio.create_task(self._listen(request_iterator, out))
        try:
            told = self._greeting(first)
            yield told
            while not told.HasField("ended") and (update := await out.get()) is not None:
                told = update
                yield told
        finally:
            listening.cancel()
            self._listeners.discard(out)

    def say(self, state: State, attempt: int = 1) -> None:
        """Move the job to a state and tell all streams."""
        revision = self.current.revision + 1 if self.current else 1
        told: dict[str, Any] = {FIELDS[type(state)]: state}
        self.current = pb.JobUpdate(job_id=42, revision=revision, attempt=attempt, **told)
        for listener in self._listeners:
            listener.put_nowait(self.current)

    def repeat(self, update: pb.JobUpdate) -> None:
        """Send an update as it is, old or not."""
        for listener in self._listeners:
            listener.put_nowait(update)

    def drop(self) -> None:
        """End all streams from this side; the job lives on."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def until(self, found: Callable[[pb.ClientMessage], bool], times: int = 1) -> pb.ClientMessage:
        """Wait for the n-th message that fits."""
        async with asyncio.timeout(TIMEOUT), self._news:
            while len(fitting := [message for message in self.heard if found(message)]) < times:
                await self._news.wait()
            return fitting[times - 1]

    async def hears(self, kind: str, times: int = 1) -> pb.ClientMessage:
        """Wait for the n-th message of a kind."""
        return await self.until(lambda message: message.WhichOneof("message") == kind, times)

    def _greeting(self, first: pb.ClientMessage) -> pb.JobUpdate:
        if self.current is None:
            self.say(WAITING)
        greeting = pb.JobUpdate(heartbeat_interval_ms=50, grace_ms=3000)
        greeting.MergeFrom(self.current or pb.JobUpdate())
        if first.HasField("open"):
            greeting.resume_key = RESUME_KEY
        return greeting

    async def _listen(
        self, messages: AsyncIterator[pb.ClientMessage], out: "asyncio.Queue[pb.JobUpdate | None]"
    ) -> None:
        async for message in messages:
            await self._hear(message)
            if self.deaf:
                continue
            if message.HasField("finished"):
                failed = message.finished.exit_code != 0
                self.say(pb.Ended(status="FAILED", reason="EXIT_CODE") if failed else pb.Ended(status="COMPLETED"))
            if message.HasField("cancel"):
                self.say(pb.Ended(status="CANCELED", reason="BY_USER"))
        out.put_nowait(None)

    async def _hear(self, message: pb.ClientMessage) -> None:
        async with self._news:
            self.heard.append(message)
            self._news.notify_all()

    async def open(self, port: int = 0) -> Server:
        """Begin to serve on loopback."""
        self.server = grpc.aio.server(options=wire.SERVER_OPTIONS)
        add_JobsServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        await self.server.start()
        return Server(f"127.0.0.1:{self.port}")

    async def close(self) -> None:
        """Stop at once, as a crash would."""
        if self.server:
            await self.server.stop(None)


@asynccontextmanager
async def manager() -> AsyncIterator[tuple[Manager, Server]]:
    """A manager that serves while the block runs."""
    served = Manager()
    server = await served.open()
    try:
        yield served, server
    finally:
        await served.close()
