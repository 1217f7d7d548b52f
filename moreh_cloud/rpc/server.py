"""The SDAManager: one asyncio process that serves VMs, agents, health and reflection."""

import asyncio
import signal
from contextlib import suppress

import grpc
import structlog
from django.conf import settings
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from backends.services.agents import record_presence
from core.clock import db_now
from core.rpc import in_own_thread
from core.waits import bound_statements
from moreh_cloud.fallback import Fallback
from moreh_cloud.memory import settle
from moreh_cloud.metrics.recorder import Recorder
from moreh_cloud.rpc.bounds import Bounds
from moreh_cloud.rpc.errors import Errors, ShuttingDown
from moreh_cloud.rpc.listening import listen
from moreh_cloud.rpc.loops import RECONNECT, end, every, forward_messages
from moreh_cloud.rpc.measured import MeasuredCalls
from moreh_cloud.rpc.pacing import Pacing
from protocol import wire
from protocol.v1.accelerators_pb2_grpc import add_AcceleratorsServicer_to_server
from protocol.v1.agents_pb2_grpc import add_AgentsServicer_to_server
from protocol.v1.jobs_pb2_grpc import add_JobsServicer_to_server
from scheduler.ids import keep_ids_new
from scheduler.rpc.agents import Agents
from scheduler.rpc.jobs import Jobs
from sda.rpc.accelerators import Accelerators

log = structlog.get_logger(__name__)
PRESENCE = 2.0  # seconds between two signs of life; MOREH_PRESENCE_GAP must be longer
PRESENCE_DEADLINE = 5.0  # seconds in which a healthy database has answered
HEARTBEATS, REPORTS, TAILS, MEANS = 1.0, 0.1, 1.0, 10.0  # seconds between two writes
STOP_GRACE = 25.0  # seconds for calls under way
SERVICES = (*(f"{wire.PACKAGE}.{name}" for name in ("Accelerators", "Agents", "Jobs")), "")
Serving = health_pb2.HealthCheckResponse


class SdaManager:
    """A server on `address` (host:port; port 0 takes a free one). Raises CannotListen, PortTaken."""

    def __init__(self, address: str) -> None:
        self.jobs, self.agents = Jobs(), Agents()
        self.health = health.aio.HealthServicer()
        self._server = grpc.aio.server(interceptors=[MeasuredCalls(), Errors(), Pacing(), Bounds()], options=_options())
        add_AcceleratorsServicer_to_server(Accelerators(), self._server)
        add_JobsServicer_to_server(self.jobs, self._server)
        add_AgentsServicer_to_server(self.agents, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        names = [name for name in SERVICES if name]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        self.port = listen(self._server, address)
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Register this manager, then accept callers."""
        with suppress(Exception):  # without a database we start all the same, and say so
            await self._stay_present()
        listeners = {"job": self.jobs.row_watcher, "backend": self.agents.row_watcher}
        self._loops = [
            asyncio.create_task(loop)
            for loop in (
                every(PRESENCE, self._stay_present),
                every(RECONNECT, lambda: forward_messages(listeners)),
                every(0, self.jobs.row_watcher.watch),
                every(0, self.agents.row_watcher.watch),
                every(HEARTBEATS, self.jobs.flush),
                every(REPORTS, self.agents.flush),
                every(TAILS, self.agents.logs.flush),
                every(RECONNECT, self.agents.logs.listen),
                every(RECONNECT, self.agents.logs.answer),
                every(MEANS, self.agents.write_means),
            )
        ]
        await self._server.start()

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """Send streams away at once, let other calls finish, and store what was heard."""
        await self.health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(grace))
        await asyncio.sleep(0)  # from here on no new call comes in
        self.jobs.close(ShuttingDown())
        self.agents.close(ShuttingDown())
        await stopping
        await end(self._loops)
        await asyncio.gather(
            self.jobs.flush(),
            self.agents.flush(),
            self.agents.logs.flush(),
            self.agents.wait_closed(),
            return_exceptions=True,
        )
        with suppress(Exception):  # the charts miss some minutes
            await self.agents.write_means(all_of_it=True)

    async def _stay_present(self) -> None:
        """Beat; health says SERVING only while the database takes it."""
        status = Serving.NOT_SERVING
        try:
            async with asyncio.timeout(PRESENCE_DEADLINE):
                await in_own_thread(_record_presence)
            status = Serving.SERVING
        finally:
            for name in SERVICES:
                await self.health.set(name, status)


def _record_presence() -> None:
    keep_ids_new(db_now())
    record_presence()


async def serve() -> None:
    """Serve on MOREH_GRPC_HOST and MOREH_GRPC_PORT until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bound_statements()
    manager = SdaManager(f"{settings.MOREH_GRPC_HOST}:{settings.MOREH_GRPC_PORT}")
    await manager.start()
    fallback = Fallback("grpc", {"celery"})
    fallback.start()
    recorder = Recorder("grpc")
    recorder.start()
    settle()
    log.info("grpc_serving", host=settings.MOREH_GRPC_HOST, port=manager.port, tls=bool(settings.MOREH_GRPC_CERT))
    await stop.wait()
    log.info("grpc_stopping")
    fallback.stop()
    await manager.stop()
    await in_own_thread(recorder.stop)


def _options() -> wire.Options:
    limits = {f"grpc.max_{way}_message_length": settings.MOREH_GRPC_MAX_MESSAGE for way in ("receive", "send")}
    return list({**dict(wire.SERVER_OPTIONS), **limits, "grpc.so_reuseport": 0}.items())
