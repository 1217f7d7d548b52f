"""The gRPC interface of clients in VMs, with one stream per job."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import timedelta
from statistics import fmean
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from structlog.contextvars import bind_contextvars

from core.crypto import digest
from core.errors import InvalidParameter, Unauthenticated
from core.pace import Pace, TooManyCalls
from core.rpc import Context, bearer, first_of, in_own_thread, in_thread, peer_ip
from events.actor import Actor
from protocol.measures import measured
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsServicer
from scheduler.choices import Cause
from scheduler.errors import JobFinished
from scheduler.models import Job
from scheduler.queries.jobs import is_submitted
from scheduler.rpc.dry_run import check
from scheduler.rpc.job_log import LogReader
from scheduler.rpc.row_watcher import RowWatcher
from scheduler.rpc.send_queue import SendQueue
from scheduler.rpc.updates import read_updates
from scheduler.services.heartbeats import ClientHeartbeat, store_heartbeats
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.services.submission import JobRequest, resume_job, resume_key, submit_job
from tokens.queries import revoked_tokens
from tokens.services import presented

BEATS_IN_GRACE = 6  # heartbeats that may be lost before a client counts as lost
MAX_BEAT_MS = 10_000


class ClientStream:
    """One client's stream: its job, and the last update that the client got."""

    def __init__(self, job: Job, actor: Actor, value_digest: str) -> None:
        self.job = job
        self.actor = actor
        self.value_digest = value_digest  # of the token's value that the client presented
        self.last_update: pb.JobUpdate | None = None
        self.send_queue: SendQueue[pb.JobUpdate] = SendQueue()

    def send(self, update: pb.JobUpdate) -> None:
        """Send an update if the client has not got it yet."""
        if update != self.last_update and update.revision >= self.revision:
            self.last_update = update
            self.send_queue.replace(update)

    @property
    def revision(self) -> int:
        """Return the revision of the last update, or 0."""
        return self.last_update.revision if self.last_update else 0


class Jobs(JobsServicer):
    """Serves any job, in every server process."""

    def __init__(self) -> None:
        self.row_watcher = RowWatcher(self._refresh)
        self._streams: dict[int, set[ClientStream]] = {}
        self._heartbeats: dict[tuple[int, str], ClientHeartbeat] = {}  # by job and by what its client presented
        self._dry_run_lock = asyncio.Lock()
        self._logs = LogReader()
        rate = settings.MOREH_GRPC_JOB_RATE
        self._new_jobs = Pace(1 / rate, settings.MOREH_WAITING_JOBS) if rate else None  # by token

    async def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Return whether and when a job would start."""
        async with self._dry_run_lock:  # one dry run at a time, or streams would wait for many
            return await in_thread(check, bearer(context), request)

    async def ReadLog(self, request: pb.ReadLogRequest, context: Context) -> pb.ReadLogResponse:
        """Return output of the workers of one of the token's jobs."""
        return await self._logs.read(bearer(context), request)

    async def Run(self, request_iterator: Any, context: Context) -> AsyncIterator[pb.JobUpdate]:
        """Serve the stream of a client: submit or resume its job, and send updates until the job ends."""
        messages = aiter(request_iterator)
        first = await first_of(messages)
        value = bearer(context)
        job, actor = await in_thread(self._begin, digest(value), first, peer_ip(context))
        bind_contextvars(job=job.pk, token=job.token_id)  # in the log lines of this call
        stream = self._join(ClientStream(job, actor, digest(value)))
        listening = asyncio.create_task(self._listen(messages, stream))
        introduction: pb.JobUpdate | None = _introduction(job, opened=first.HasField("open"))
        try:
            async for update in stream.send_queue:
                yield _introduced(update, introduction)
                introduction = None
                if update.HasField("ended"):
                    return
        finally:
            listening.cancel()
            self._leave(stream)

    def _begin(self, value_digest: str, first: pb.ClientMessage, ip: str) -> tuple[Job, Actor]:
        with presented(value_digest) as token:
            actor = Actor(f"token/{token.pk}", "grpc", ip)
            if first.HasField("resume"):
                return resume_job(token, first.resume.job_id, first.resume.resume_key), actor
            if first.HasField("open"):
                self._admit(token.pk, first.open.request_id)
                return submit_job(token, _parse_open(first.open), actor=actor), actor
        raise InvalidParameter(_("A stream begins with open or resume."), parameter="message")

    def _admit(self, token_id: int, request_id: str) -> None:
        """Raise TooManyCalls if a token submits new jobs too fast: even a job that is canceled at once leaves rows."""
        wait = self._new_jobs.wait(token_id) if self._new_jobs else 0.0
        if wait and not is_submitted(token_id, request_id):
            raise TooManyCalls(wait)

    async def flush(self) -> None:
        """Store the heartbeats since the last call."""
        heartbeats, self._heartbeats = self._heartbeats, {}
        if not heartbeats:
            return
        try:
            await in_own_thread(store_heartbeats, list(heartbeats.values()))
        except Exception:
            self._heartbeats = {**heartbeats, **self._heartbeats}
            raise

    def close(self, error: Exception) -> None:
        """End all streams; their clients reconnect to another server."""
        for stream in self._all():
            stream.send_queue.fail(error)

    async def _listen(self, messages: AsyncIterator[pb.ClientMessage], stream: ClientStream) -> None:
        try:
            async for message in messages:
                await self._receive(message, stream)
        except Exception as error:
            stream.send_queue.fail(error)

    async def _receive(self, message: pb.ClientMessage, stream: ClientStream) -> None:
        kind = message.WhichOneof("message")
        if kind == "heartbeat":
            self._heartbeats[stream.job.pk, stream.value_digest] = _parse_heartbeat(stream, message.heartbeat)
            return
        if kind == "finished":
            await in_thread(_finish, stream, message.finished.exit_code)
        elif kind == "cancel":
            await in_thread(_cancel, stream)
        else:
            raise InvalidParameter(_("This message cannot come here."), parameter=kind or "message")
        self.row_watcher.hint([stream.job.pk])

    async def _refresh(self, ids: set[int] | None) -> None:
        wanted = set(self._streams) if ids is None else ids & self._streams.keys()
        await self._end_revoked(wanted)
        wanted &= self._streams.keys()
        known = {pk: min(stream.revision for stream in self._streams[pk]) for pk in wanted}
        for update in await in_own_thread(read_updates, known) if known else ():
            for stream in self._streams.get(update.job_id, ()):
                stream.send(update)

    async def _end_revoked(self, jobs: set[int]) -> None:
        """End the streams whose token was rotated or deleted since they began."""
        streams = [stream for pk in jobs for stream in self._streams.get(pk, ())]
        digests = {(stream.job.token_id, stream.value_digest) for stream in streams}
        revoked = await in_own_thread(revoked_tokens, digests) if digests else set()
        for stream in streams:
            if (stream.job.token_id, stream.value_digest) in revoked:
                stream.send_queue.fail(Unauthenticated(_("This token is not known.")))

    def _join(self, stream: ClientStream) -> ClientStream:
        self._streams.setdefault(stream.job.pk, set()).add(stream)
        self.row_watcher.hint([stream.job.pk])
        return stream

    def _leave(self, stream: ClientStream) -> None:
        streams = self._streams[stream.job.pk]
        streams.discard(stream)
        if not streams:
            del self._streams[stream.job.pk]

    def _all(self) -> Iterable[ClientStream]:
        return [stream for streams in self._streams.values() for stream in streams]


def _parse_open(opened: pb.Open) -> JobRequest:
    return JobRequest(
        request_id=opened.request_id,
        sda_id=opened.sda_id,
        pid=opened.pid,
        process_name=opened.process_name,
        framework=opened.framework,
        version=opened.client_version,
        time_limit=timedelta(seconds=opened.time_limit_s) if opened.time_limit_s else None,
    )


def _introduction(job: Job, *, opened: bool) -> pb.JobUpdate:
    grace_ms = int(settings.MOREH_CLIENT_GRACE.total_seconds() * 1000)
    return pb.JobUpdate(
        resume_key=resume_key(job) if opened else "",
        heartbeat_interval_ms=min(MAX_BEAT_MS, grace_ms // BEATS_IN_GRACE),
        grace_ms=grace_ms,
    )


def _introduced(update: pb.JobUpdate, introduction: pb.JobUpdate | None) -> pb.JobUpdate:
    if introduction is None:
        return update
    introduction.MergeFrom(update)
    return introduction


def _finish(stream: ClientStream, exit_code: int) -> None:
    if not 0 <= exit_code <= 255:
        raise InvalidParameter(_("An exit code is a number from 0 to 255."), parameter="exit_code")
    with presented(stream.value_digest):
        finish_job(stream.job, exit_code=exit_code, actor=stream.actor)


def _cancel(stream: ClientStream) -> None:
    with presented(stream.value_digest), suppress(JobFinished):  # a repeated cancel, or the job has ended by itself
        cancel_job(stream.job, cause=Cause.BY_USER, actor=stream.actor)


def _parse_heartbeat(stream: ClientStream, beat: pb.Heartbeat) -> ClientHeartbeat:
    told = [use.utilization_percent for use in beat.devices if use.HasField("utilization_percent")]
    used = [share for share in told if measured("share", share) is not None]
    memory = [use.used_memory_mib for use in beat.devices if use.HasField("used_memory_mib")]
    return ClientHeartbeat(
        job_id=stream.job.pk,
        value_digest=stream.value_digest,
        used_memory=measured("memory", sum(memory)) if memory else None,
        utilization=round(fmean(used), 2) if used else None,  # as the values of agents
        pid=beat.pid if 0 < beat.pid < 2**31 else 0,
    )
