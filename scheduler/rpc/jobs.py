"""The door of VM clients that run jobs: one stream per job."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import InvalidParameter
from moreh_cloud.lib.rpc import Context, bearer, first_of, in_own_thread, in_thread, peer_ip
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsServicer
from scheduler.choices import Cause
from scheduler.errors import JobFinished
from scheduler.models import Job
from scheduler.rpc.lookout import Lookout
from scheduler.rpc.outbox import Outbox
from scheduler.rpc.updates import read_updates
from scheduler.services.jobs import (
    Ask,
    SignOfLife,
    cancel_job,
    finish_job,
    note_signs_of_life,
    resume_job,
    resume_key,
    submit_job,
)
from tokens.queries import authenticate_token

BEATS_IN_GRACE = 6  # so many heartbeats may be lost before a client is
MAX_BEAT_MS = 10_000


class Line:
    """One client's stream: whose job it is about and what the client was told last."""

    def __init__(self, job: Job, actor: Actor) -> None:
        self.job = job
        self.actor = actor
        self.told: pb.JobUpdate | None = None
        self.outbox: Outbox[pb.JobUpdate] = Outbox()

    def tell(self, update: pb.JobUpdate) -> None:
        """Send what is new to this client."""
        if update != self.told and update.revision >= self.revision:
            self.told = update
            self.outbox.replace(update)

    @property
    def revision(self) -> int:
        return self.told.revision if self.told else 0


class Jobs(JobsServicer):
    """Serves any job; every server process may."""

    def __init__(self) -> None:
        self.lookout = Lookout(self._look)
        self._lines: dict[int, set[Line]] = {}
        self._signs: dict[int, SignOfLife] = {}

    async def Run(self, request_iterator: Any, context: Context) -> AsyncIterator[pb.JobUpdate]:
        messages = aiter(request_iterator)
        first = await first_of(messages)
        job, actor = await in_thread(_begin, bearer(context), first, peer_ip(context))
        line = self._join(Line(job, actor))
        listening = asyncio.create_task(self._listen(messages, line))
        introduction: pb.JobUpdate | None = _introduction(job, opened=first.HasField("open"))
        try:
            async for update in line.outbox:
                yield _introduced(update, introduction)
                introduction = None
                if update.HasField("ended"):
                    return
        finally:
            listening.cancel()
            self._leave(line)

    async def flush(self) -> None:
        """Store the heartbeats that came in since the last time."""
        signs, self._signs = self._signs, {}
        if not signs:
            return
        try:
            await in_own_thread(note_signs_of_life, list(signs.values()))
        except Exception:
            self._signs = {**signs, **self._signs}
            raise

    def close(self, error: Exception) -> None:
        """End all streams; their clients come back to another server."""
        for line in self._all():
            line.outbox.fail(error)

    async def _listen(self, messages: AsyncIterator[pb.ClientMessage], line: Line) -> None:
        try:
            async for message in messages:
                await self._hear(message, line)
        except Exception as error:
            line.outbox.fail(error)

    async def _hear(self, message: pb.ClientMessage, line: Line) -> None:
        kind = message.WhichOneof("message")
        if kind == "heartbeat":
            self._signs[line.job.pk] = _sign_of_life(line.job.pk, message.heartbeat)
            return
        if kind == "finished":
            await in_thread(_finish, line, message.finished.exit_code)
        elif kind == "cancel":
            await in_thread(_cancel, line)
        else:
            raise InvalidParameter(_("This message cannot come here."), parameter=kind or "message")
        self.lookout.hint([line.job.pk])

    async def _look(self, ids: set[int] | None) -> None:
        wanted = self._lines.keys() if ids is None else ids & self._lines.keys()
        known = {pk: min(line.revision for line in self._lines[pk]) for pk in wanted}
        for update in await in_own_thread(read_updates, known) if known else ():
            for line in self._lines.get(update.job_id, ()):
                line.tell(update)

    def _join(self, line: Line) -> Line:
        self._lines.setdefault(line.job.pk, set()).add(line)
        self.lookout.hint([line.job.pk])
        return line

    def _leave(self, line: Line) -> None:
        lines = self._lines[line.job.pk]
        lines.discard(line)
        if not lines:
            del self._lines[line.job.pk]

    def _all(self) -> Iterable[Line]:
        return [line for lines in self._lines.values() for line in lines]


def _begin(value: str, first: pb.ClientMessage, ip: str) -> tuple[Job, Actor]:
    token = authenticate_token(value)
    actor = Actor(f"token/{token.pk}", "grpc", ip)
    if first.HasField("resume"):
        return resume_job(token, first.resume.job_id, first.resume.resume_key), actor
    if first.HasField("open"):
        return submit_job(token, _ask(first.open), actor=actor), actor
    raise InvalidParameter(_("A stream begins with open or resume."), parameter="message")


def _ask(opened: pb.Open) -> Ask:
    return Ask(
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


def _finish(line: Line, exit_code: int) -> None:
    if not 0 <= exit_code <= 255:
        raise InvalidParameter(_("An exit code is a number from 0 to 255."), parameter="exit_code")
    finish_job(line.job, exit_code=exit_code, actor=line.actor)


def _cancel(line: Line) -> None:
    try:
        cancel_job(line.job, cause=Cause.BY_USER, actor=line.actor)
    except JobFinished:
        return  # repeated, or it ended by itself: the client learns how from Ended


def _sign_of_life(job_id: int, beat: pb.Heartbeat) -> SignOfLife:
    used = [use.utilization_percent for use in beat.devices if math.isfinite(use.utilization_percent)]
    return SignOfLife(
        job_id=job_id,
        used_memory=min(sum(use.used_memory_mib for use in beat.devices), 2**31 - 1),
        utilization=sum(used) / len(used) if used else 0.0,
        pid=beat.pid if 0 < beat.pid < 2**31 else 0,
    )
