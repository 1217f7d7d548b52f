"""Interface of what runs an agent's workers, and simulated workers without processes for simulated nodes."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from clients.agent.errors import WorkerError
from clients.agent.fake_outputs import FakeOutputs
from clients.agent.journal import SavedWorker
from clients.agent.outputs import Outputs
from protocol.v1 import agents_pb2 as pb

Lost = Callable[[int, int | None, str], None]  # worker id, exit code, why


@dataclass(frozen=True)
class Worker:
    """A worker that runs, or starts (then without an address)."""

    worker_id: int
    job_id: int
    devices: tuple[int, ...]
    address: str = ""
    pid: int = 0


def address_of(host: str, port: int) -> str:
    """Return host:port as clients connect to it: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Runner(Protocol):
    """Starts and stops workers. `workers` holds all that run or start; `lost` is told when one ends by itself."""

    workers: dict[int, Worker]
    lost: Lost

    @property
    def outputs(self) -> Outputs:
        """Return what the workers have written."""

    async def adopt(self, kept: Iterable[SavedWorker], begun: Iterable[int], mark: str) -> None:
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
        """Release everything at once; workers that can outlive the agent do."""


class FakeRunner:
    """Workers without a process: each listens on loopback, says its number to who connects, and is gone with us."""

    def __init__(self, host: str = "127.0.0.1", outputs: FakeOutputs | None = None) -> None:
        self.workers: dict[int, Worker] = {}
        self.lost: Lost = lambda _worker, _code, _why: None
        self.outputs = outputs or FakeOutputs()
        self._host = host
        self._servers: dict[int, asyncio.Server] = {}

    async def adopt(self, kept: Iterable[SavedWorker], begun: Iterable[int], mark: str) -> None:
        """Find none of them: they ended with the agent that had them."""

    async def start(self, order: pb.StartWorker) -> Worker:
        """Start a listener for the worker."""
        greeting = f"worker {order.worker_id} of job {order.job_id}\n".encode()

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        try:
            listener = await asyncio.start_server(greet, self._host, 0)
        except OSError as error:
            raise WorkerError(f"no port for worker {order.worker_id}: {error.strerror}") from error
        host, port = listener.sockets[0].getsockname()[:2]
        worker = Worker(order.worker_id, order.job_id, tuple(order.device_indexes), address_of(host, port))
        self._servers[order.worker_id], self.workers[order.worker_id] = listener, worker
        self.outputs.begin(order.worker_id)
        return worker

    async def stop(self, worker_id: int) -> None:
        """Close the listener of the worker."""
        self._drop(worker_id)

    async def clean(self, devices: Iterable[int]) -> None:
        """Find nothing: a fake worker leaves no traces."""

    def abandon(self) -> None:
        """Close every listener."""
        for worker_id in list(self.workers):
            self._drop(worker_id)

    def lose(self, worker_id: int, exit_code: int = 1) -> None:
        """End a worker without an order, as a simulated fault."""
        self._drop(worker_id)
        self.lost(worker_id, exit_code, "the simulated worker died")

    def _drop(self, worker_id: int) -> None:
        if listener := self._servers.pop(worker_id, None):
            listener.close()
            self.outputs.end(worker_id)
        self.workers.pop(worker_id, None)
