"""The door of node agents: one stream per node."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backends.errors import ClaimedTwice, StaleAgent
from backends.queries import authenticate_node
from backends.services.agents import close_session, report_double_claim, speaking
from backends.services.nodes import enrol_backend
from backends.services.orders import acknowledge_order
from backends.services.telemetry import take_readings
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import InvalidParameter
from moreh_cloud.lib.rpc import Context, bearer, first_of, in_own_thread, in_thread, peer_ip
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsServicer
from scheduler.rpc.lookout import Lookout
from scheduler.rpc.speech import greeting_of, read_orders, reading_of, welcome_to
from scheduler.rpc.stream import Stream
from scheduler.services.workers import greet_agent, lose_worker, note_health, take_result

REPORTS_IN_SILENCE = 6  # so many reports may be lost before a node is silent
MAX_REPORT_MS = 5_000


class Agents(AgentsServicer):
    """Serves any node; of several streams of one node the newest speaks for it, whichever server has it."""

    def __init__(self) -> None:
        self.lookout = Lookout(self._look)
        self._streams: dict[int, Stream] = {}
        self._reports: dict[int, tuple[Stream, pb.AgentMessage]] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    async def Connect(self, request_iterator: Any, context: Context) -> AsyncIterator[pb.ManagerMessage]:
        messages = aiter(request_iterator)
        hello = await first_of(messages)
        stream, welcome = await in_thread(_greet, bearer(context), hello, peer_ip(context))
        self._join(stream)
        listening = asyncio.create_task(self._listen(messages, stream))
        try:
            yield pb.ManagerMessage(welcome=welcome)
            async for message in stream.outbox:
                yield message
        finally:
            listening.cancel()
            self._leave(stream)

    async def Enrol(self, request: pb.EnrolRequest, context: Context) -> pb.EnrolResponse:
        return await in_thread(_enrol, request, peer_ip(context))

    async def flush(self) -> None:
        """Store the reports that came in since the last time, of each agent the latest."""
        reports, self._reports = self._reports, {}
        if not reports:
            return
        try:
            await in_own_thread(_take, reports)
        except Exception:
            self._reports = {**reports, **self._reports}
            raise

    def close(self, error: Exception) -> None:
        """End all streams; their agents come back to another server."""
        for stream in self._streams.values():
            stream.outbox.fail(error)

    async def farewell(self) -> None:
        """Wait until every stream that ended is forgotten."""
        await asyncio.gather(*self._farewells, return_exceptions=True)

    async def _listen(self, messages: AsyncIterator[pb.AgentMessage], stream: Stream) -> None:
        try:
            async for message in messages:
                if stream.is_news(message):
                    await self._hear(message, stream)
            stream.outbox.end()
        except Exception as error:
            stream.outbox.fail(error)

    async def _hear(self, message: pb.AgentMessage, stream: Stream) -> None:
        kind = message.WhichOneof("message")
        if kind == "report":
            self._reports[stream.backend.pk] = stream, message
            await _check_report(message.report, stream)
        elif kind == "ack":
            await in_thread(_acknowledge, stream, _order_id(message.ack.order_id))
        elif kind == "result":
            await in_thread(_take_result, stream, message.result)
            stream.settle(_order_id(message.result.order_id), ok=message.result.ok)
        elif kind == "worker_lost":
            await in_thread(_lose, stream, message.worker_lost)
        else:
            raise InvalidParameter(_("This message cannot come here."), parameter=kind or "message")

    async def _look(self, ids: set[int] | None) -> None:
        wanted = self._streams.keys() if ids is None else ids & self._streams.keys()
        streams = {pk: self._streams[pk] for pk in wanted}
        if not streams:
            return
        found = await in_own_thread(read_orders, list(streams), lambda order: streams[order.backend_id].is_due(order))
        for pk, stream in streams.items():
            if found.speakers.get(pk) != stream.session:
                stream.outbox.fail(StaleAgent(id=pk))
        for order, message in found.due:
            streams[order.backend_id].deliver(order, message)
        if ids is None:
            for stream in streams.values():
                stream.forget_settled(found.open)

    def _join(self, stream: Stream) -> None:
        older = self._streams.get(stream.backend.pk)
        if older:
            older.outbox.fail(StaleAgent(id=stream.backend.pk))
        self._streams[stream.backend.pk] = stream
        self.lookout.hint([stream.backend.pk])

    def _leave(self, stream: Stream) -> None:
        if self._streams.get(stream.backend.pk) is stream:
            del self._streams[stream.backend.pk]
        farewell = asyncio.create_task(in_thread(close_session, stream.backend, stream.session))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)


def _greet(key: str, hello: pb.AgentMessage, ip: str) -> tuple[Stream, pb.Welcome]:
    backend = authenticate_node(key)
    actor = Actor(f"backend/{backend.pk}", "grpc", ip)
    running = {worker.worker_id: list(worker.device_indexes) for worker in hello.hello.workers}
    session = uuid4()
    try:
        wanted = greet_agent(backend, greeting_of(hello), running, session, actor=actor)
    except ClaimedTwice:
        report_double_claim(backend, ip_address=ip)
        raise
    silence_ms = int(settings.MOREH_SILENT_AFTER.total_seconds() * 1000)
    interval_ms = min(MAX_REPORT_MS, silence_ms // REPORTS_IN_SILENCE)
    return Stream(backend, session, hello, wanted), welcome_to(backend, wanted, interval_ms)


def _enrol(request: pb.EnrolRequest, ip: str) -> pb.EnrolResponse:
    if not 1 <= len(request.instance_id) <= 64 or "\0" in request.instance_id:
        raise InvalidParameter(_("1 to 64 characters are needed."), parameter="instance_id")
    if "\0" in request.name:
        raise InvalidParameter(_("A text must not contain the character NUL."), parameter="name")
    address = request.addresses[0] if request.addresses else ip
    actor = Actor("enrolment", "grpc", ip)
    backend, node_key = enrol_backend(
        request.enrolment_key,
        name=request.name,
        ip=address,
        bmc_ip=address,
        instance_id=request.instance_id,
        actor=actor,
    )
    return pb.EnrolResponse(backend_id=backend.pk, node_key=node_key)


def _take(reports: dict[int, tuple[Stream, pb.AgentMessage]]) -> None:
    take_readings([reading_of(pk, stream.session, message) for pk, (stream, message) in reports.items()])


async def _check_report(report: pb.Report, stream: Stream) -> None:
    """Act on what only a change of the report tells: a worker that is gone, a health check."""
    for worker_id in stream.gone(set(report.worker_ids)):
        await in_thread(_lose, stream, pb.WorkerLost(worker_id=worker_id, detail="the agent no longer has it"))
    if report.HasField("health") and report.health.ok is not stream.healthy:
        await in_thread(_note_health, stream, report.health)
        stream.healthy = report.health.ok


def _order_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidParameter(_("An order's id is a UUID."), parameter="order_id") from None


def _acknowledge(stream: Stream, order_id: UUID) -> None:
    with speaking(stream.backend, stream.session):
        acknowledge_order(stream.backend, order_id)


def _take_result(stream: Stream, result: pb.Result) -> None:
    ok = result.ok and (result.health.ok or not result.HasField("health"))
    error = result.error or result.health.text
    with speaking(stream.backend, stream.session):
        order_id = _order_id(result.order_id)
        take_result(stream.backend, order_id, ok=ok, error=_plain(error), address=_plain(result.address))


def _lose(stream: Stream, lost: pb.WorkerLost) -> None:
    code = f" (exit code {lost.exit_code})" if lost.HasField("exit_code") else ""
    with speaking(stream.backend, stream.session):
        lose_worker(stream.backend, lost.worker_id, error=_plain(lost.detail or "the worker ended") + code)


def _note_health(stream: Stream, health: pb.Health) -> None:
    with speaking(stream.backend, stream.session):
        note_health(stream.backend, ok=health.ok, error=_plain(health.text))


def _plain(text: str) -> str:
    return text.replace("\0", "")
