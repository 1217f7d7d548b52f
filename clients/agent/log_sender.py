"""Sends workers' output over the agent's stream: pieces that the manager asks for, and the last output unasked.

Orders and reports go first: a piece is put on the stream only when nothing else waits to be sent, one at a time.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from clients.agent.runner import Runner
from clients.segments import Output
from protocol import wire
from protocol.v1 import agents_pb2 as pb

MOST_WAITING = 16  # requests; more are answered with BUSY
PAUSE = 0.02  # seconds between two pieces: so output takes 1.6 MB/s of a node's connection at most
MOST_TAIL = 16 * 1024  # bytes

logger = logging.getLogger("moreh-agent")

Send = Callable[[pb.AgentMessage], None]
Drained = Callable[[], Awaitable[None]]


class LogSender:
    """Serves one stream. `drained` waits until everything that was sent has left."""

    def __init__(self, runner: Runner, send: Send, drained: Drained) -> None:
        self._runner = runner
        self._send = send
        self._drained = drained
        self._requests: deque[pb.ReadLog] = deque()
        self._news = asyncio.Event()
        self._unreadable: set[int] = set()  # workers whose output could not be read the last time
        self._told: dict[int, int] = {}  # end of each output when its last bytes were sent

    def receive(self, request: pb.ReadLog) -> None:
        """Answer a request as soon as there is room for it, or at once with BUSY."""
        if len(self._requests) >= MOST_WAITING:
            busy = pb.LogPiece(request_id=request.request_id, problem=pb.LogPiece.BUSY)
            self._send(pb.AgentMessage(log_piece=busy))
            return
        self._requests.append(request)
        self._news.set()

    async def answer_for_ever(self) -> None:
        """Answer the requests one after the other."""
        while True:
            await self._news.wait()
            request = self._requests.popleft()
            if not self._requests:
                self._news.clear()
            piece = await asyncio.to_thread(self._piece, request)
            await self._drained()
            self._send(pb.AgentMessage(log_piece=piece))
            await asyncio.sleep(PAUSE)

    async def send_tails(self, welcome: pb.Welcome) -> None:
        """Send the last output of each worker whose output has grown, again and again; also of those just ended."""
        size, pause = min(welcome.log_tail_bytes, MOST_TAIL), welcome.log_tail_interval_ms / 1000
        before: set[int] = set()
        while size and pause:
            running = set(self._runner.workers)
            for worker_id in sorted(running | before):
                await self._send_tail(worker_id, size, running=worker_id in running)
            self._told = {worker: end for worker, end in self._told.items() if worker in running}
            before = running
            await asyncio.sleep(pause)

    async def _send_tail(self, worker_id: int, size: int, *, running: bool) -> None:
        output = await asyncio.to_thread(self._read, worker_id, -size, size)
        if output is None or not output.data or (running and self._told.get(worker_id) == output.end):
            return
        self._told[worker_id] = output.end
        await self._drained()
        tail = pb.LogTail(worker_id=worker_id, offset=output.offset, data=output.data, running=running)
        self._send(pb.AgentMessage(log_tail=tail))

    def _read(self, worker_id: int, offset: int, limit: int) -> Output | None:
        """Return a piece of an output; None if nothing is kept, or it cannot be read, which is logged once."""
        try:
            output = self._runner.outputs.read(worker_id, offset, limit)
        except OSError as error:
            if worker_id not in self._unreadable:
                logger.warning("The output of worker %s cannot be read: %s.", worker_id, error)
            self._unreadable.add(worker_id)
            return None
        self._unreadable.discard(worker_id)
        return output

    def _piece(self, request: pb.ReadLog) -> pb.LogPiece:
        running = request.worker_id in self._runner.workers  # before it is read: what it wrote last is in the file
        limit = min(request.limit, wire.MAX_LOG_PIECE)
        output = self._read(request.worker_id, request.offset, limit)
        if output is None:
            never_wrote = running and request.worker_id not in self._unreadable
            problem = pb.LogPiece.NONE if never_wrote else pb.LogPiece.NOT_KEPT
            return pb.LogPiece(request_id=request.request_id, problem=problem, running=running)
        return pb.LogPiece(
            request_id=request.request_id,
            offset=output.offset,
            data=output.data,
            first=output.first,
            end=output.end,
            running=running,
        )
