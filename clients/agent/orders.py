"""Carries out the manager's orders: each once, those about the same devices one after the other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from clients.agent.checks import Checks
from clients.agent.errors import PreflightFailed, WorkerError
from clients.agent.health import HealthCheck
from clients.agent.journal import Journal, SavedWorker
from clients.agent.machine import Machine
from clients.agent.runner import Runner, Worker
from clients.channel import sendable
from protocol.v1 import agents_pb2 as pb

logger = logging.getLogger("moreh-agent")

Send = Callable[[pb.AgentMessage], None]
Work = Callable[[], Coroutine[Any, Any, None]]
Look = Callable[[], Awaitable[None]]

EXPECTED = (WorkerError, OSError, ValueError)
CUT_SHORT = "the agent ended before the worker was ready"


def end_of(order_id: str, verb: str, begun_in: str, boot_id: str) -> pb.Result:
    """Return the result of a reset or reboot during which the agent ended; it is never begun a second time."""
    if verb == "reset":  # a check shows what came of it
        return pb.Result(order_id=order_id, ok=True, error="the agent ended during the reset; it may be incomplete")
    restarted = bool(boot_id) and boot_id != begun_in
    return pb.Result(order_id=order_id, ok=restarted, error="" if restarted else "the node has not restarted")


class Orders:
    """The orders of one agent. `send` takes the answers; while nobody listens they wait in the journal.

    `look` reads and reports the devices: before it is told that a worker ended or did not start by itself, so that a
    device that is the cause gets no other worker.
    """

    def __init__(
        self, journal: Journal, runner: Runner, health: HealthCheck, send: Send, *, look: Look, machine: Machine
    ) -> None:
        self._journal = journal
        self._runner = runner
        self._health = health
        self._send = send
        self._machine = machine
        self._look = look
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_on: dict[int, asyncio.Task[None]] = {}
        self._starting: dict[int, Worker] = {}
        self._checks = Checks(health, self._busy)

    async def resume(self) -> None:
        """After a start of the agent: take over what still runs, and settle the starts that its death cut short."""
        begun = self._journal.interrupted_starts()
        try:
            await self._runner.adopt(self._journal.workers.values(), begun.values(), self._journal.instance_id)
        except WorkerError as error:  # a process that is stuck in its driver: the other devices are well
            self._health.sick(str(error))
        for worker_id in [worker for worker in self._journal.workers if worker not in self._runner.workers]:
            self._journal.forget(worker_id)
        for order_id, worker_id in begun.items():
            if (result := self._what_became_of(order_id, worker_id)) is not None:
                self._journal.settle(result)

        for order_id, (verb, boot_id) in self._journal.interrupted_once().items():
            self._journal.settle(end_of(order_id, verb, boot_id, self._machine.boot_id()))

    def workers(self) -> list[Worker]:
        """List all that run or start."""
        return [*{**self._starting, **self._runner.workers}.values()]

    def receive(self, order: pb.Order) -> None:
        """Acknowledge an order; carry it out unless that was done or is being done."""
        if order.request_id:
            logger.info("Order %s (%s) of request %s.", order.order_id, order.WhichOneof("verb"), order.request_id)
        result = self._journal.results.get(order.order_id)
        self._journal.accept(order)
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
                self._will_stop(worker.worker_id)
                self._queue(partial(self._stop_unknown, worker.worker_id), worker.devices)

    def lost(self, worker_id: int, exit_code: int | None, why: str) -> None:
        """Report to the manager a worker that ended by itself."""
        self._journal.forget(worker_id)
        lost = pb.WorkerLost(worker_id=worker_id, exit_code=exit_code, detail=why)
        self._keep(asyncio.create_task(self._send_when_stored(pb.AgentMessage(worker_lost=lost))))

    def abandon(self) -> list["asyncio.Task[None]"]:
        """Stop everything under way, at once; returns the tasks, to be awaited."""
        for task in self._tasks:
            task.cancel()
        return [*self._tasks]

    async def _send_when_stored(self, message: pb.AgentMessage) -> None:
        await self._look()
        self._send(message)

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _will_stop(self, worker_id: int) -> None:
        """Let a worker never start, and end its check at once."""
        self._journal.stop(worker_id)
        self._checks.end_preflight(worker_id)

    def _begin(self, order: pb.Order) -> None:
        start = order.start
        if order.HasField("start") and start.worker_id not in self._journal.stopped:
            self._starting[start.worker_id] = Worker(start.worker_id, start.job_id, tuple(start.device_indexes))
        if ending := order.stop.worker_id or order.clean.worker_id:
            self._will_stop(ending)
        self._under_way.add(order.order_id)
        self._queue(partial(self._carry_out, order), self._devices_of(order))

    def _devices_of(self, order: pb.Order) -> tuple[int, ...]:
        if order.HasField("stop"):
            return next((w.devices for w in self.workers() if w.worker_id == order.stop.worker_id), ())
        if order.HasField("reboot"):
            return tuple(self._health.present)
        return tuple(
            order.start.device_indexes
            or order.clean.device_indexes
            or order.check.device_indexes
            or order.reset.device_indexes
        )

    def _queue(self, work: Work, devices: Iterable[int]) -> None:
        """Run work after everything that came before it for the same devices."""
        earlier = {task for device in devices if (task := self._last_on.get(device)) and not task.done()}

        async def in_turn() -> None:
            if earlier:
                await asyncio.wait(earlier)
            await work()

        task = asyncio.create_task(in_turn())
        self._keep(task)
        self._last_on.update(dict.fromkeys(devices, task))

    async def _carry_out(self, order: pb.Order) -> None:
        result = pb.Result(order_id=order.order_id, ok=True)
        try:
            await self._do(order, result)
        except Exception as error:  # also for a fault of our own: an order without a result hangs at the manager
            if not isinstance(error, EXPECTED):
                logger.exception("Order %s failed.", order.order_id)
            result.ok, result.error = False, sendable(str(error))
            if isinstance(error, PreflightFailed):
                result.failed_devices.extend(error.devices)
        self._starting.pop(order.start.worker_id, None)
        self._journal.settle(result)
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
                await self._checks.check(order.check, result)
            case "reset":
                await self._reset(order.order_id, order.reset.device_indexes)
            case "reboot":
                await self._reboot(order.order_id)
            case _:
                raise WorkerError("this agent does not know such an order")

    def _busy(self) -> set[int]:
        return {device for worker in self._runner.workers.values() for device in worker.devices}

    async def _start(self, order_id: str, start: pb.StartWorker) -> str:
        if refusal := self._refusal(start):
            raise WorkerError(refusal)
        if start.HasField("preflight_command") and order_id not in self._journal.interrupted_starts():
            await self._checks.preflight(start)
            if refusal := self._refusal(start):  # it may have been stopped meanwhile
                raise WorkerError(refusal)
        if order_id not in self._journal.interrupted_starts():
            self._journal.begin(order_id, start.worker_id)
        elif start.worker_id not in self._runner.workers:
            raise WorkerError(CUT_SHORT)
        try:
            worker = await self._runner.start(start)
        except WorkerError:
            await self._look()
            raise
        self._journal.keep(SavedWorker(worker.worker_id, worker.job_id, worker.devices, worker.address, worker.pid))
        return worker.address

    def _refusal(self, start: pb.StartWorker) -> str:
        if start.worker_id in self._journal.stopped:
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
        self._journal.forget(worker_id)

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

    async def _reset(self, order_id: str, devices: Sequence[int]) -> None:
        wanted = set(devices)
        for other in self.workers():
            if wanted & set(other.devices):
                raise WorkerError(f"worker {other.worker_id} is on these devices")
        self._journal.begin_once(order_id, "reset", self._machine.boot_id())
        for index in sorted(wanted):
            await self._machine.reset(self._health.device(index))
        await self._look()  # what the reset has ended is known before its result

    async def _reboot(self, order_id: str) -> None:
        for other in self.workers():
            raise WorkerError(f"worker {other.worker_id} runs on this node")
        self._journal.begin_once(order_id, "reboot", self._machine.boot_id())
        await self._machine.reboot()

    def _what_became_of(self, order_id: str, worker_id: int) -> pb.Result | None:
        """Return the result of a start that the agent's death interrupted; None while its process goes on."""
        worker = self._runner.workers.get(worker_id)
        if worker is None:
            return pb.Result(order_id=order_id, error=CUT_SHORT)
        return pb.Result(order_id=order_id, ok=True, address=worker.address) if worker.address else None
