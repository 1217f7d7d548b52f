"""A node's agent: keeps one stream to the manager, for ever; workers live on whatever happens to it."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import grpc

from clients import __version__
from clients.agent.background import restarted
from clients.agent.devices import DeviceReader, DeviceReading
from clients.agent.health import HealthCheck, RunCheck
from clients.agent.journal import Journal
from clients.agent.log_sender import LogSender
from clients.agent.machine import Machine, ThisMachine
from clients.agent.orders import Orders
from clients.agent.runner import FakeRunner, Runner, Worker
from clients.backoff import Backoff
from clients.channel import Server, bearer, code_of, explain, retry_after, sendable
from clients.outbox import Outbox
from clients.proc import Host
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsStub

Stream = grpc.aio.StreamStreamCall[pb.AgentMessage, pb.ManagerMessage]

logger = logging.getLogger("moreh-agent")

REPORT_EVERY = 5.0  # seconds, until the manager says otherwise
FAREWELL = 1.0  # seconds for what is waiting to be sent
WELCOME_WITHIN = 30.0  # seconds from Hello to Welcome; then the connection is tried anew
LOOK_WITHIN = 3.0  # seconds for a reading that is told before the end of a worker
TEND_EVERY = 5.0  # seconds between two looks at the outputs of workers
CHANGED_READINGS = 2  # readings in a row that differ from Hello before a new Hello; one may be a slip of the tool


class Agent:
    """One node's agent; many fit into one process and one event loop.

    `start` opens the journal in `state_dir` (raises JournalInUse) and connects in the background; `stop` ends politely;
    `abandon` ends as a kill would. Process workers outlive all three, fake ones none.
    """

    def __init__(
        self,
        server: Server,
        key: str,
        state_dir: Path,
        devices: DeviceReader,
        runner: Runner | None = None,
        *,
        host_name: str = "",
        addresses: Sequence[str] = ("127.0.0.1",),
        software: dict[str, str] | None = None,
        bmc_address: str = "",
        backoff: Backoff | None = None,
        machine: Machine | None = None,
        run_check: RunCheck | None = None,
    ) -> None:
        self.server = server
        self.runner: Runner = runner or FakeRunner()
        self.welcome: pb.Welcome | None = None
        self.welcomed = asyncio.Event()
        self.unknown = False  # the manager knows no node with this key; it is tried again all the same
        self._key = key
        self._state_dir = state_dir
        self._health = HealthCheck(devices, run_check)
        self._host_name = host_name or socket.gethostname()
        self._addresses = addresses
        self._software = software or {}
        self._bmc_address = bmc_address
        self._backoff = backoff or Backoff()
        self._machine = machine or ThisMachine(devices)
        self._host = Host()
        self._sequence = 0
        self._said = ""
        self._told: frozenset[int] = frozenset()
        self._outbox: Outbox[pb.AgentMessage] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Open the journal, take over what runs, begin to connect."""
        self._journal = Journal(self._state_dir)
        self._orders = Orders(
            self._journal, self.runner, self._health, self._send, look=self._look, machine=self._machine
        )
        self.runner.lost = self._orders.lost
        await self._health.read(set())
        await self._orders.resume()
        self._task = asyncio.create_task(self._connect_for_ever(), name=f"agent of {self._host_name}")
        self._tending = asyncio.create_task(restarted(self._tend_outputs, "Tending outputs"))

    async def stop(self) -> None:
        """Send what is waiting, then go; process workers run on for the next agent."""
        self._stopping = True
        if self._outbox is not None and self._task:
            self._outbox.close()
            await asyncio.wait({self._task}, timeout=FAREWELL)
        await self.abandon()

    async def abandon(self) -> None:
        """Vanish at once."""
        if self._task is None:
            return
        doomed = [self._task, self._tending, *self._orders.abandon()]
        self._task.cancel()
        self._tending.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        self._task = None
        self.runner.abandon()
        self._journal.close()

    def workers(self) -> list[Worker]:
        """List all workers that run or start."""
        return self._orders.workers()

    async def wait(self) -> None:
        """Wait until the agent is stopped; raises what it died of, should it ever."""
        if self._task:
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()

    async def _connect_for_ever(self) -> None:
        while not self._stopping:
            wait: float | None = None
            try:
                await self._session()
            except grpc.aio.AioRpcError as error:
                self._log(logging.WARNING, f"{explain(error, self.server)} ({code_of(error)})")
                self.unknown = self.unknown or error.code() is grpc.StatusCode.UNAUTHENTICATED
                wait = retry_after(error)
            except TimeoutError:
                self._log(logging.WARNING, "The manager does not answer.")
            except OSError as error:
                self._log(logging.WARNING, str(error))
            await asyncio.sleep(self._backoff.next() if wait is None else wait)

    async def _session(self) -> None:
        async with self.server.connect() as channel:
            await self._health.read(self._busy())
            self._outbox = outbox = Outbox[pb.AgentMessage]()
            self._send(pb.AgentMessage(hello=self._hello()))
            call = AgentsStub(channel).Connect(aiter(outbox), metadata=bearer(self._key))
            try:
                async with asyncio.timeout(WELCOME_WITHIN):
                    first = await call.read()
                if isinstance(first, pb.ManagerMessage) and first.HasField("welcome"):
                    self._greeted(first.welcome)
                    await self._serve(call, first.welcome, outbox)
            finally:
                self._outbox = None
                self.welcomed.clear()
                outbox.close()
                call.cancel()

    async def _serve(self, call: Stream, welcome: pb.Welcome, outbox: Outbox[pb.AgentMessage]) -> None:
        logs = LogSender(self.runner, self._send, outbox.drained)
        work = (
            self._report_for_ever(welcome),
            restarted(logs.answer_for_ever, "Sending output"),
            restarted(lambda: logs.send_tails(welcome), "Sending the last output"),
        )
        tasks = [asyncio.create_task(one) for one in work]
        try:
            while isinstance(message := await call.read(), pb.ManagerMessage):
                if message.HasField("order"):
                    self._orders.receive(message.order)
                elif message.HasField("read_log"):
                    logs.receive(message.read_log)
        finally:
            for task in tasks:
                task.cancel()

    async def _tend_outputs(self) -> None:
        """Keep the outputs of workers within their limits."""
        while True:
            await self.runner.outputs.tend(set(self.runner.workers))
            await asyncio.sleep(TEND_EVERY)

    def _greeted(self, welcome: pb.Welcome) -> None:
        self.welcome, self.unknown = welcome, False
        self._log(logging.INFO, "welcomed")
        self._orders.expect(welcome)
        self.welcomed.set()

    def _hello(self) -> pb.Hello:
        workers = [
            pb.RunningWorker(worker_id=w.worker_id, job_id=w.job_id, device_indexes=w.devices, address=w.address)
            for w in self.workers()
        ]
        self._told = self._health.present
        return pb.Hello(
            instance_id=self._journal.instance_id,
            host_name=self._host_name,
            addresses=self._addresses,
            agent_version=__version__,
            software_versions=self._software,
            devices=self._health.known(),
            workers=workers,
            bmc_address=self._bmc_address,
            boot_id=sendable(self._machine.boot_id())[:64],
            keeps_logs=True,
        )

    async def _report_for_ever(self, welcome: pb.Welcome) -> None:
        """Report until the devices are others than Hello named: then end the stream, so that a new Hello names them."""
        pause = welcome.report_interval_ms / 1000 or REPORT_EVERY
        changed, outbox = 0, self._outbox
        try:
            while changed < CHANGED_READINGS:
                readings = await self._health.read(self._busy())
                changed = changed + 1 if self._health.present != self._told else 0
                self._send_report(readings)
                await asyncio.sleep(pause)
                self._backoff.reset()
            told, present = sorted(self._told), sorted(self._health.present)
            self._log(logging.WARNING, f"The devices have changed: {told} to {present}.")
        finally:
            if outbox is not None:
                outbox.close()

    async def _look(self) -> None:
        """Read the devices and report them now; a reading that takes too long is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_WITHIN):
                self._send_report(await self._health.read(self._busy()))

    def _send_report(self, readings: Sequence[DeviceReading]) -> None:
        if self._outbox is not None and not self._outbox.stuck:
            self._send(pb.AgentMessage(report=self._report(readings)))

    def _report(self, readings: Sequence[DeviceReading]) -> pb.Report:
        used, total = self._host.memory_mib()
        return pb.Report(
            devices=[reading.telemetry() for reading in readings],
            cpu_percent=self._host.cpu_percent(),
            used_memory_mib=used,
            total_memory_mib=total,
            health=self._health.latest(),
            worker_ids=[worker.worker_id for worker in self.workers()],
            device_health=self._health.facts(),
        )

    def _log(self, level: int, text: str) -> None:
        """Log what has changed: an outage is one line, however often it is tried."""
        if text != self._said:
            logger.log(level, "%s: %s", self._host_name, text)
        self._said = text

    def _busy(self) -> set[int]:
        return {device for worker in self.workers() for device in worker.devices}

    def _send(self, message: pb.AgentMessage) -> None:
        """Number a message and send it; without a connection it is dropped: the journal and the next Hello know."""
        if self._outbox is None:
            return
        self._sequence += 1
        message.boot, message.sequence = self._journal.boot, self._sequence
        message.sent_at_ms = int(time.time() * 1000)
        self._outbox.put(message)
