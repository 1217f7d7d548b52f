"""Carries out the manager's orders: each once, those about the same devices one after the other."""

import asyncio
import shlex
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from clients.agent.book import Book, Kept
from clients.agent.health import HealthCheck
from clients.agent.runner import Runner, Worker, WorkerError
from protocol.v1 import agents_pb2 as pb

Send = Callable[[pb.AgentMessage], None]
Work = Callable[[], Coroutine[Any, Any, None]]

CUT_SHORT = "the agent ended before the worker was ready"


class Orders:
    """The orders of one agent. `send` takes the answers; while nobody listens they wait in the book."""

    def __init__(self, book: Book, runner: Runner, health: HealthCheck, send: Send) -> None:
        self._book = book
        self._runner = runner
        self._health = health
        self._send = send
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_on: dict[int, asyncio.Task[None]] = {}
        self._starting: dict[int, Worker] = {}

    async def resume(self) -> None:
        """After a start of the agent: take over what still runs, and settle the starts that its death cut short."""
        begun = self._book.interrupted_starts()
        await self._runner.adopt(self._book.workers.values(), begun.values(), self._book.instance_id)
        for worker_id in [worker for worker in self._book.workers if worker not in self._runner.workers]:
            self._book.forget(worker_id)
        for order_id, worker_id in begun.items():
            if (result := self._what_became_of(order_id, worker_id)) is not None:
                self._book.settle(result)

    def workers(self) -> list[Worker]:
        """List all that run or start."""
        return [*{**self._starting, **self._runner.workers}.values()]

    def receive(self, order: pb.Order) -> None:
        """Acknowledge an order; carry it out unless that was done or is being done."""
        result = self._book.results.get(order.order_id)
        if order.order_id not in self._book.results:
            self._book.accept(order)
        self._send(pb.AgentMessage(ack=pb.Ack(order_id=order.order_id)))
        if result is not None:
            self._send(pb.AgentMessage(result=result))
        elif order.order_id not in self._under_way:
            self._begin(order)

    def expect(self, welcome: pb.Welcome) -> None:
        """Stop every worker that the manager does not know."""
        known = {(worker.worker_id, worker.job_id) for worker in welcome.workers}
        for worker in self.workers():
            if (worker.worker_id, worker.job_id) not in known:
                self._book.stop(worker.worker_id)
                self._queue(partial(self._stop_unknown, worker.worker_id), worker.devices)

    def lost(self, worker_id: int, exit_code: int | None, why: str) -> None:
        """Tell the manager of a worker that ended by itself."""
        self._book.forget(worker_id)
        self._send(pb.AgentMessage(worker_lost=pb.WorkerLost(worker_id=worker_id, exit_code=exit_code, detail=why)))

    def abandon(self) -> list["asyncio.Task[None]"]:
        """Stop everything under way, at once; returns the tasks, to be awaited."""
        for task in self._tasks:
            task.cancel()
        return [*self._tasks]

    def _begin(self, order: pb.Order) -> None:
        start = order.start
        if order.HasField("start") and start.worker_id not in self._book.stopped:
            self._starting[start.worker_id] = Worker(start.worker_id, start.job_id, tuple(start.device_indexes))
        if ending := order.stop.worker_id or order.clean.worker_id:
            self._book.stop(ending)
        self._under_way.add(order.order_id)
        self._queue(partial(self._carry_out, order), self._devices_of(order))

    def _devices_of(self, order: pb.Order) -> tuple[int, ...]:
        if order.HasField("stop"):
            return next((w.devices for w in self.workers() if w.worker_id == order.stop.worker_id), ())
        return tuple(order.start.device_indexes or order.clean.device_indexes)

    def _queue(self, work: Work, devices: Iterable[int]) -> None:
        """Run work after everything that came before it for the same devices."""
        earlier = {task for device in devices if (task := self._last_on.get(device)) and not task.done()}

        async def in_turn() -> None:
            if earlier:
                await asyncio.wait(earlier)
            await work()

        task = asyncio.create_task(in_turn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._last_on.update(dict.fromkeys(devices, task))

    async def _carry_out(self, order: pb.Order) -> None:
        result = pb.Result(order_id=order.order_id, ok=True)
        try:
            await self._do(order, result)
        except (WorkerError, OSError, ValueError) as error:
            result.ok, result.error = False, str(error)
        self._starting.pop(order.start.worker_id, None)
        self._book.settle(result)
        self._under_way.discard(order.order_id)
        self._send(pb.AgentMessage(result=result))

    async def _do(self, order: pb.Order, result: pb.Result) -> None:
        match order.WhichOneof("verb"):
            case "start":
                result.address = await self._start(order.order_id, order.start)
            case "stop":
                await self._stop(order.stop.worker_id)
            case "clean":
                await self._clean(order.clean)
            case "check":
                result.health.CopyFrom(await self._health.run(shlex.split(order.check.health_check_command)))
            case _:
                raise WorkerError("this agent does not know such an order")

    async def _start(self, order_id: str, start: pb.StartWorker) -> str:
        if refusal := self._refusal(start):
            raise WorkerError(refusal)
        if order_id not in self._book.interrupted_starts():
            self._book.begin(order_id, start.worker_id)
        elif start.worker_id not in self._runner.workers:
            raise WorkerError(CUT_SHORT)
        worker = await self._runner.start(start)
        self._book.keep(Kept(worker.worker_id, worker.job_id, worker.devices, worker.address, worker.pid))
        return worker.address

    def _refusal(self, start: pb.StartWorker) -> str:
        if start.worker_id in self._book.stopped:
            return f"worker {start.worker_id} was stopped before"
        wanted = set(start.device_indexes)
        if missing := wanted - self._health.present:
            return f"there is no device {min(missing)}"
        for other in self._runner.workers.values():
            half_started = other.worker_id == start.worker_id and not other.address
            if not half_started and (other.worker_id == start.worker_id or wanted & set(other.devices)):
                return f"worker {other.worker_id} is on device {other.devices[0] if other.devices else '-'} already"
        return ""

    async def _stop(self, worker_id: int) -> None:
        await self._runner.stop(worker_id)
        self._book.forget(worker_id)

    async def _stop_unknown(self, worker_id: int) -> None:
        try:
            await self._stop(worker_id)
        except WorkerError as error:
            self._health.sick(str(error))

    async def _clean(self, clean: pb.CleanDevices) -> None:
        if clean.worker_id:
            await self._stop(clean.worker_id)
        wanted = set(clean.device_indexes)
        for other in self._runner.workers.values():
            if wanted & set(other.devices):
                raise WorkerError(f"worker {other.worker_id} is still on these devices")
        if missing := wanted - self._health.present:
            raise WorkerError(f"there is no device {min(missing)}")
        await self._runner.clean(wanted)

    def _what_became_of(self, order_id: str, worker_id: int) -> pb.Result | None:
        """Tell how a start ended that the agent's death cut short; None while its process goes on."""
        worker = self._runner.workers.get(worker_id)
        if worker is None:
            return pb.Result(order_id=order_id, error=CUT_SHORT)
        return pb.Result(order_id=order_id, ok=True, address=worker.address) if worker.address else None
