"""A manager's end of the agents' stream, in memory: a real gRPC server that remembers all it was told."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from clients.channel import Server
from protocol import wire
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsServicer, add_AgentsServicer_to_server

KEY = "node-key-of-a-test"
TIMEOUT = 10.0
Outgoing = asyncio.Queue[pb.ManagerMessage | None]


class Manager(AgentsServicer):
    """Answers Hello with `expected`, delivers what `order` gives it, keeps everything that it hears."""

    def __init__(self) -> None:
        self.expected: list[pb.ExpectedWorker] = []
        self.tails = (0, 0)  # bytes of each, and ms between two
        self.heard: list[pb.AgentMessage] = []
        self.enrolled: list[pb.EnrolRequest] = []
        self.busy_until = 0.0
        self.refused = 0
        self.server: grpc.aio.Server | None = None
        self.port = 0
        self._news = asyncio.Condition()
        self._out: Outgoing = asyncio.Queue()

    async def Connect(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[pb.AgentMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.ManagerMessage]:
        if dict(context.invocation_metadata() or ()).get("authorization") != f"Bearer {KEY}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Who are you?")
        if (left := self.busy_until - asyncio.get_running_loop().time()) > 0:
            self.refused += 1
            await context.abort_with_status(_try_again(left))
        await self._hear(await anext(aiter(request_iterator)))
        out: Outgoing = asyncio.Queue()
        self._out = out
        size, pause = self.tails
        yield pb.ManagerMessage(
            welcome=pb.Welcome(
                workers=self.expected, report_interval_ms=50, log_tail_bytes=size, log_tail_interval_ms=pause
            )
        )
        listening = asyncio.create_task(self._listen(request_iterator, out))
        try:
            while (message := await out.get()) is not None:
                yield message
        finally:
            listening.cancel()

    async def Enrol(self, request: pb.EnrolRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.EnrolResponse:  # noqa: N802
        if request.enrolment_key != "once":
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "This enrolment key was used before.")
        self.enrolled.append(request)
        return pb.EnrolResponse(backend_id=7, node_key=KEY)

    def order(self, order: pb.Order) -> pb.Order:
        """Deliver an order, now."""
        self._out.put_nowait(pb.ManagerMessage(order=order))
        return order

    def read_log(self, request_id: str, worker_id: int, offset: int, limit: int) -> None:
        """Ask for a piece of a worker's output."""
        asked = pb.ReadLog(request_id=request_id, worker_id=worker_id, offset=offset, limit=limit)
        self._out.put_nowait(pb.ManagerMessage(read_log=asked))

    async def piece(self, request_id: str) -> pb.LogPiece:
        """Wait for the answer to `read_log`."""
        return (await self.until(lambda m: m.log_piece.request_id == request_id)).log_piece

    def drop(self) -> None:
        """End the stream from this side."""
        self._out.put_nowait(None)

    def expect(self, *workers: tuple[int, int]) -> None:
        """Say in the next Welcome which workers (id, job) should be there."""
        self.expected = [pb.ExpectedWorker(worker_id=worker, job_id=job) for worker, job in workers]

    async def until(self, found: Callable[[pb.AgentMessage], bool], times: int = 1) -> pb.AgentMessage:
        """Wait for the n-th message that fits."""
        async with asyncio.timeout(TIMEOUT), self._news:
            while len(fitting := [message for message in self.heard if found(message)]) < times:
                await self._news.wait()
            return fitting[times - 1]

    async def result(self, order: pb.Order, times: int = 1) -> pb.Result:
        """Wait for the n-th result of an order."""
        return (await self.until(lambda m: m.result.order_id == order.order_id, times)).result

    async def hello(self, times: int = 1) -> pb.Hello:
        """Wait for the n-th Hello."""
        return (await self.until(lambda m: m.HasField("hello"), times)).hello

    async def reported(self, fits: Callable[[pb.Report], bool]) -> pb.Report:
        """Wait for a report that comes from now on and fits."""
        seen = len(self.heard)
        return (await self.until(lambda m: m.HasField("report") and m in self.heard[seen:] and fits(m.report))).report

    async def _listen(self, messages: AsyncIterator[pb.AgentMessage], out: Outgoing) -> None:
        async for message in messages:
            await self._hear(message)
        out.put_nowait(None)

    async def _hear(self, message: pb.AgentMessage) -> None:
        async with self._news:
            self.heard.append(message)
            self._news.notify_all()

    async def open(self, port: int = 0) -> Server:
        """Begin to serve on loopback."""
        self.server = grpc.aio.server(options=wire.SERVER_OPTIONS)
        add_AgentsServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        await self.server.start()
        return Server(f"127.0.0.1:{self.port}")

    async def close(self) -> None:
        """Stop at once, as a crash would."""
        if self.server:
            await self.server.stop(None)


def _try_again(seconds: float) -> grpc.Status:
    detail = Packed()
    detail.Pack(RetryInfo(retry_delay=Duration(nanos=int(seconds * 1e9))))
    code: int = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    status: grpc.Status = rpc_status.to_status(Status(code=code, message="Too many.", details=[detail]))
    return status


@asynccontextmanager
async def manager() -> AsyncIterator[Manager]:
    """A manager that serves while the block runs."""
    served = Manager()
    await served.open()
    try:
        yield served
    finally:
        await served.close()


def start(worker: int = 1, job: int = 11, devices: tuple[int, ...] = (0, 1), **fields: Any) -> pb.Order:
    """Make a START order."""
    verb = pb.StartWorker(worker_id=worker, job_id=job, device_indexes=devices, **fields)
    return pb.Order(order_id=str(uuid.uuid4()), start=verb)


def stop(worker: int = 1) -> pb.Order:
    """Make a STOP order."""
    return pb.Order(order_id=str(uuid.uuid4()), stop=pb.StopWorker(worker_id=worker))


def clean(*devices: int, worker: int = 0) -> pb.Order:
    """Make a CLEAN order."""
    return pb.Order(order_id=str(uuid.uuid4()), clean=pb.CleanDevices(device_indexes=devices, worker_id=worker))


def check(command: str = "") -> pb.Order:
    """Make a CHECK order."""
    return pb.Order(order_id=str(uuid.uuid4()), check=pb.CheckHealth(health_check_command=command))
