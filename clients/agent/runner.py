"""What an agent needs of whoever runs its workers, and workers that are no processes, for simulated nodes."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from clients.agent.book import Kept
from protocol.v1 import agents_pb2 as pb

Lost = Callable[[int, int | None, str], None]  # worker id, exit code, why


class WorkerError(Exception):
    """A worker cannot be started, stopped or cleaned away; the text is for the operator."""


@dataclass(frozen=True)
class Worker:
    """A worker that runs, or starts (then without an address)."""

    worker_id: int
    job_id: int
    devices: tuple[int, ...]
    address: str = ""
    pid: int = 0


class Runner(Protocol):
    """Starts and stops workers. `workers` holds all that run or start; `lost` is told when one ends by itself."""

    workers: dict[int, Worker]
    lost: Lost

    async def adopt(self, kept: Iterable[Kept], begun: Iterable[int], mark: str) -> None:
        """Take over what earlier agents of this installation (`mark`) left running; stop all else of theirs.

        Of the workers that were `begun` only, those that go on become workers without an address: `start` waits for
        them.
        """

    async def start(self, order: pb.StartWorker) -> Worker:
        """Start a worker, unless it was adopted half started, and wait until it answers. Raises WorkerError."""

    async def stop(self, worker_id: int) -> None:
        """Stop a worker, if there is one, and wait until it is gone. Raises WorkerError."""

    async def clean(self, devices: Iterable[int]) -> None:
        """Leave nothing of former workers on the devices. Raises WorkerError."""

    def abandon(self) -> None:
        """Let go of everything at once; workers that can outlive us do."""


class FakeRunner:
    """Workers without a process: each listens on loopback, says its number to who connects, and is gone with us."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.workers: dict[int, Worker] = {}
        self.lost: Lost = lambda _worker, _code, _why: None
        self._host = host
        self._doors: dict[int, asyncio.Server] = {}

    async def adopt(self, kept: Iterable[Kept], begun: Iterable[int], mark: str) -> None:
        """Find none of them: they ended with the agent that had them."""

    async def start(self, order: pb.StartWorker) -> Worker:
        """Open the worker's door."""
        greeting = f"worker {order.worker_id} of job {order.job_id}\n".encode()

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        try:
            door = await asyncio.start_server(greet, self._host, 0)
        except OSError as error:
            raise WorkerError(f"no port for worker {order.worker_id}: {error.strerror}") from error
        host, port = door.sockets[0].getsockname()[:2]
        worker = Worker(order.worker_id, order.job_id, tuple(order.device_indexes), f"{host}:{port}")
        self._doors[order.worker_id], self.workers[order.worker_id] = door, worker
        return worker

    async def stop(self, worker_id: int) -> None:
        """Close the worker's door."""
        self._drop(worker_id)

    async def clean(self, devices: Iterable[int]) -> None:
        """Find nothing: a fake worker leaves no traces."""

    def abandon(self) -> None:
        """Close every door."""
        for worker_id in list(self.workers):
            self._drop(worker_id)

    def lose(self, worker_id: int, exit_code: int = 1) -> None:
        """Let a worker die by itself, as simulations of faults need it."""
        self._drop(worker_id)
        self.lost(worker_id, exit_code, "the simulated worker died")

    def _drop(self, worker_id: int) -> None:
        if door := self._doors.pop(worker_id, None):
            door.close()
        self.workers.pop(worker_id, None)
