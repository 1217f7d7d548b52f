"""The gRPC interface of node agents, with one stream per node."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from structlog.contextvars import bind_contextvars

from backends.errors import StaleAgent
from backends.services.agents import agent_session, close_sessions
from backends.services.enrolment import enrol_backend
from backends.services.telemetry import store_telemetry
from backends.services.telemetry_means import TelemetryMeans
from core.errors import InvalidParameter
from core.pace import Pace
from core.rpc import Context, bearer, first_of, in_own_thread, in_thread, peer_ip
from core.texts import LONGEST, cleaned
from events.actor import Actor
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsServicer
from scheduler.rpc.arrivals import Arrivals, ArrivingAgent
from scheduler.rpc.batches import Batches
from scheduler.rpc.device_health import DeviceHealthInbox
from scheduler.rpc.log_relay import LogRelay
from scheduler.rpc.messages import parse_report, read_orders, require_instance
from scheduler.rpc.row_watcher import RowWatcher
from scheduler.rpc.stream import Stream
from scheduler.services.arrivals import changed_health, record_acknowledgements, record_cleanings
from scheduler.services.checks import CheckResult
from scheduler.services.workers import lose_worker, note_health, take_result

HEALTH_EVERY, HEALTH_AT_ONCE = 10.0, 2  # seconds between two changes of a node's health after the first two
HEALTH_IN_A_ROUND = 100  # nodes; all reports wait for these changes
OrderAnswer = tuple[Stream, UUID]
"""An agent's message on an order: its stream and the order's id."""


class Agents(AgentsServicer):
    """Serves any node. Of several streams of one node only the newest counts, on whichever server it is.

    Messages that many agents send at once are written in batches, one after the other, so agents do not wait for each
    other's locks.
    """

    def __init__(self) -> None:
        self.row_watcher = RowWatcher(self._refresh)
        self._streams: dict[int, Stream] = {}
        self.logs = LogRelay(self._streams)
        self._reports: dict[int, tuple[Stream, pb.AgentMessage]] = {}
        self._health: dict[int, tuple[Stream, pb.Health]] = {}
        self._changes = Pace(HEALTH_EVERY, HEALTH_AT_ONCE)
        self._closings: set[asyncio.Task[bool | None]] = set()
        self._write_lock = asyncio.Lock()
        self._device_health = DeviceHealthInbox(self._write_lock)
        self._arrivals = Arrivals(self._write_lock)
        self._acks = Batches(_acknowledge, self._write_lock)
        self._cleanings = Batches(_take_cleanings, self._write_lock)
        self._ends = Batches(_close, self._write_lock)
        self._means = TelemetryMeans()

    async def Connect(self, request_iterator: Any, context: Context) -> AsyncIterator[pb.ManagerMessage]:
        """Serve the stream of an agent, from its Hello to its end."""
        messages = aiter(request_iterator)
        hello = await first_of(messages)
        stream, welcome = await self._arrivals.greet(ArrivingAgent(bearer(context), hello, peer_ip(context)))
        self._join(stream)
        bind_contextvars(node=stream.backend.pk)  # in the log lines of this call
        listening = asyncio.create_task(self._listen(messages, stream))
        try:
            yield pb.ManagerMessage(welcome=welcome)
            async for message in stream.send_queue:
                yield message
        finally:
            listening.cancel()
            self._leave(stream)

    async def Enrol(self, request: pb.EnrolRequest, context: Context) -> pb.EnrolResponse:
        """Enrol a node by an enrolment key; return its id and its key."""
        return await in_thread(_enrol, request, peer_ip(context))

    async def flush(self) -> None:
        """Store the latest report of each agent since the last call, and act on changes of health."""
        reports, self._reports = self._reports, {}
        if reports:
            try:
                async with self._write_lock:
                    await in_own_thread(_take, reports, self._means)
            except Exception:
                self._reports = {**reports, **self._reports}
                raise
        await self._device_health.flush()
        if self._health:
            await self._note_health()

    async def write_means(self, *, all_of_it: bool = False) -> None:
        """Write the means of each five minutes that are over, or all, for the charts; reports do not wait for it."""
        await in_own_thread(self._means.write, all_of_it=all_of_it)

    async def _note_health(self) -> None:
        """Act on health checks that change a node's status, some in each round; a node that changes too often waits."""
        latest = dict(self._health)
        changed = await in_own_thread(changed_health, {pk: health.ok for pk, (_stream, health) in latest.items()})
        due = list(islice((pk for pk in latest if pk in changed and not self._changes.wait(pk)), HEALTH_IN_A_ROUND))
        await asyncio.gather(*(_act_on_health(*latest[pk]) for pk in due))
        for pk in latest.keys() - changed | {*due}:
            stream, health = latest[pk]
            stream.healthy = health.ok
            if self._health.get(pk) == latest[pk]:
                del self._health[pk]

    def close(self, error: Exception) -> None:
        """End all streams; their agents reconnect to another server."""
        for stream in self._streams.values():
            stream.send_queue.fail(error)

    async def wait_closed(self) -> None:
        """Wait until the sessions of all ended streams are closed."""
        await asyncio.gather(*self._closings, return_exceptions=True)

    async def _listen(self, messages: AsyncIterator[pb.AgentMessage], stream: Stream) -> None:
        try:
            async for message in messages:
                if stream.is_news(message):
                    await self._receive(message, stream)
            stream.send_queue.end()
        except Exception as error:
            stream.send_queue.fail(error)

    async def _receive(self, message: pb.AgentMessage, stream: Stream) -> None:
        kind = message.WhichOneof("message")
        if kind == "report":
            stream.note_clock(message)
            self._reports[stream.backend.pk] = stream, message
            await self._check_report(message.report, stream)
        elif kind == "ack":
            await self._acks.do((stream, _order_id(message.ack.order_id)))
        elif kind == "result":
            await self._device_health.settle(stream.backend.pk)
            await self._take_result(stream, message.result)
        elif kind == "worker_lost":
            await self._device_health.settle(stream.backend.pk)
            await in_thread(_lose, stream, message.worker_lost)
        elif kind == "log_piece":
            self.logs.receive(stream, message.log_piece)
        elif kind == "log_tail":
            self.logs.receive_tail(stream, message.log_tail)
        else:
            raise InvalidParameter(_("This message cannot come here."), parameter=kind or "message")

    async def _check_report(self, report: pb.Report, stream: Stream) -> None:
        """Act on what a report shows only by its change: a worker that is gone, or a health check."""
        for worker_id in stream.gone(set(report.worker_ids)):
            await in_thread(_lose, stream, pb.WorkerLost(worker_id=worker_id, detail="the agent no longer has it"))
        self._device_health.receive(stream, report)
        if not report.HasField("health"):
            return
        if report.health.ok is stream.healthy:
            self._health.pop(stream.backend.pk, None)
        else:
            self._health[stream.backend.pk] = stream, report.health

    async def _take_result(self, stream: Stream, result: pb.Result) -> None:
        order_id = _order_id(result.order_id)
        clean = order_id in stream.cleanings and result.ok and not result.error and not result.HasField("health")
        if not clean or await self._cleanings.do((stream, order_id)) is None:
            await in_thread(_take_result, stream, result)
        stream.settle(order_id, ok=result.ok)

    async def _refresh(self, ids: set[int] | None) -> None:
        wanted = self._streams.keys() if ids is None else ids & self._streams.keys()
        streams = {pk: self._streams[pk] for pk in wanted}
        if not streams:
            return
        found = await in_own_thread(read_orders, list(streams), lambda order: streams[order.backend_id].is_due(order))
        for pk, stream in streams.items():
            if found.current_sessions.get(pk) != stream.session:
                stream.send_queue.fail(StaleAgent(id=pk))
        for order, message in found.due:
            streams[order.backend_id].deliver(order, message)
        if ids is None:
            for stream in streams.values():
                stream.forget_settled(found.open)

    def _join(self, stream: Stream) -> None:
        older = self._streams.get(stream.backend.pk)
        if older:
            older.send_queue.fail(StaleAgent(id=stream.backend.pk))
        self._streams[stream.backend.pk] = stream
        self.row_watcher.hint([stream.backend.pk])

    def _leave(self, stream: Stream) -> None:
        pk = stream.backend.pk
        if self._streams.get(pk) is stream:
            del self._streams[pk]
            self._health.pop(pk, None)
            self._device_health.forget(pk)
        closing = asyncio.create_task(self._ends.do(stream))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)


def _enrol(request: pb.EnrolRequest, ip: str) -> pb.EnrolResponse:
    require_instance(request.instance_id)
    address = request.addresses[0] if request.addresses else ip
    actor = Actor("enrolment", "grpc", ip)
    backend, node_key = enrol_backend(
        request.enrolment_key,
        name=request.name,
        ip=address,
        instance_id=request.instance_id,
        actor=actor,
    )
    return pb.EnrolResponse(backend_id=backend.pk, node_key=node_key)


def _take(reports: dict[int, tuple[Stream, pb.AgentMessage]], means: TelemetryMeans) -> None:
    parsed = [
        parse_report(pk, stream.session, message, stream.clock_skew_ms) for pk, (stream, message) in reports.items()
    ]
    at, stored = store_telemetry(parsed)
    means.add(stored, at)


async def _act_on_health(stream: Stream, health: pb.Health) -> None:
    try:
        await in_thread(_note_health, stream, health)
    except Exception as error:
        stream.send_queue.fail(error)


def _order_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidParameter(_("An order's id is a UUID."), parameter="order_id") from None


def _acknowledge(answers: list[OrderAnswer]) -> list[bool | Exception]:
    acknowledged = record_acknowledgements(_orders(answers))
    return [True if order_id in acknowledged else StaleAgent(id=stream.backend.pk) for stream, order_id in answers]


def _take_cleanings(answers: list[OrderAnswer]) -> list[bool | None]:
    done = record_cleanings(_orders(answers))
    return [True if order_id in done else None for _stream, order_id in answers]


def _orders(answers: Iterable[OrderAnswer]) -> dict[UUID, tuple[int, UUID]]:
    return {order_id: (stream.backend.pk, stream.session) for stream, order_id in answers}


def _close(streams: list[Stream]) -> list[bool]:
    close_sessions([stream.session for stream in streams])
    return [True] * len(streams)


def _take_result(stream: Stream, result: pb.Result) -> None:
    ok = result.ok and (result.health.ok or not result.HasField("health"))
    error = result.error or result.health.text
    checked = CheckResult(result.failed_devices, result.busy_devices, whole=result.HasField("health"))
    with agent_session(stream.backend, stream.session):
        order_id = _order_id(result.order_id)
        address = cleaned(result.address, 64)
        take_result(stream.backend, order_id, ok=ok, error=cleaned(error), address=address, checked=checked)


def _lose(stream: Stream, lost: pb.WorkerLost) -> None:
    code = f" (exit code {lost.exit_code})" if lost.HasField("exit_code") else ""
    with agent_session(stream.backend, stream.session):
        lose_worker(
            stream.backend, lost.worker_id, error=cleaned(lost.detail or "the worker ended", LONGEST - len(code)) + code
        )


def _note_health(stream: Stream, health: pb.Health) -> None:
    with agent_session(stream.backend, stream.session):
        note_health(stream.backend, ok=health.ok, error=cleaned(health.text))
