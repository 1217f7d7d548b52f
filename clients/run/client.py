"""One job on the wire: asks, waits, keeps it alive over broken connections, gives the devices back."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import grpc

from clients import __version__
from clients.backoff import Backoff
from clients.channel import Server, bearer, code_of, explain, is_transient
from clients.outbox import Outbox
from clients.run.errors import JobEnded, JobRefused
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsStub

OPENING_TIMEOUT = 60.0  # seconds; after the job is stored, only the server ends it
NO_HEARTBEAT = 5.0  # seconds, until the server has said how often it wants them


@dataclass(frozen=True)
class DeviceRequest:
    """The request for a job. `sda_id` 0 is the current SDA; the same `request_id` gives the same job, never two."""

    sda_id: int = 0
    pid: int = 0
    process_name: str = ""
    framework: str = ""
    client_version: str = __version__
    time_limit_s: int = 0
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def no_use() -> Sequence[pb.DeviceUse]:
    """Report no use of devices: the runtime that knows it is not there."""
    return ()


class JobClient:
    """A job's client, for any event loop: `async with JobClient(server, token) as job: await job.ready()`.

    `use` is request for the heartbeat's values; `outage` is told once why the server cannot be request yet. Leaving the
    block without `finish` cancels the job.
    """

    def __init__(
        self,
        server: Server,
        token: str,
        request: DeviceRequest | None = None,
        *,
        use: Callable[[], Sequence[pb.DeviceUse]] = no_use,
        outage: Callable[[str], None] = lambda _text: None,
        backoff: Backoff | None = None,
    ) -> None:
        self.server = server
        self.request = request or DeviceRequest()
        self.pid = self.request.pid
        self.job_id = 0
        self.last: pb.JobUpdate | None = None
        self.connections = 0
        self._token = token
        self._use = use
        self._outage = outage
        self._backoff = backoff or Backoff()
        self._resume_key = ""
        self._heartbeat = NO_HEARTBEAT
        self._grace = OPENING_TIMEOUT
        self._last_word: pb.ClientMessage | None = None
        self._outbox: Outbox[pb.ClientMessage] | None = None
        self._news: asyncio.Queue[pb.JobUpdate | JobRefused] = asyncio.Queue()
        self._over = asyncio.Event()
        self._refusal: JobRefused | None = None
        self._deadline = 0.0
        self._told = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "JobClient":
        self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        if not self._over.is_set():
            with contextlib.suppress(JobRefused, TimeoutError):
                await asyncio.wait_for(self.cancel(), timeout=5)
        self.abandon()

    @property
    def ended(self) -> pb.Ended | None:
        """Return how the job ended; None while it goes on."""
        return self.last.ended if self.last and self.last.HasField("ended") else None

    def start(self) -> None:
        """Begin to ask, unless that was done. Updates come from `updates` or `ready`."""
        if self._task:
            return
        self._deadline = time.monotonic() + OPENING_TIMEOUT
        self._task = asyncio.create_task(self._live(), name=f"job client {self.request.request_id}")

    async def updates(self) -> AsyncIterator[pb.JobUpdate]:
        """Yield every change until the job has ended. Raises JobRefused."""
        while self.ended is None or not self._news.empty():
            news = await self._news.get()
            if isinstance(news, JobRefused):
                raise news
            yield news

    async def ready(self) -> pb.Running:
        """Wait until the devices are there. Raises JobEnded or JobRefused."""
        async for update in self.updates():
            if update.HasField("running"):
                return update.running
        raise JobEnded(self.ended or pb.Ended())

    async def finish(self, exit_code: int) -> pb.Ended:
        """Report that the program ended and wait for the server's answer, for at most the grace time.

        Raises TimeoutError when the server stayed away, JobRefused when it knows of no such job.
        """
        return await self._part(pb.ClientMessage(finished=pb.Finished(exit_code=exit_code)))

    async def cancel(self) -> pb.Ended:
        """Leave the queue or give the devices back; otherwise like `finish`."""
        return await self._part(pb.ClientMessage(cancel=pb.Cancel()))

    def abandon(self) -> None:
        """Fall silent in the middle of it all, as a killed client does."""
        if self._task:
            self._task.cancel()

    async def _part(self, word: pb.ClientMessage) -> pb.Ended:
        if self._last_word is None:
            self._last_word = word
            if self._outbox is not None and self.job_id:
                self._outbox.put(word)
        self._deadline = time.monotonic() + self._grace
        async with asyncio.timeout(self._grace):
            await self._over.wait()
        if self.ended is None:
            raise self._refusal or JobRefused("ABANDONED", "The connection was given up.")
        return self.ended

    async def _live(self) -> None:
        try:
            while self.ended is None:
                await self._try_a_connection()
        except JobRefused as refusal:
            self._refusal = refusal
        finally:
            if self.ended is None:
                self._refusal = self._refusal or JobRefused("ABANDONED", "The connection was given up.")
                self._news.put_nowait(self._refusal)
            self._over.set()

    async def _try_a_connection(self) -> None:
        """Raises JobRefused when another try cannot help or comes too late."""
        try:
            await self._connection()
        except grpc.aio.AioRpcError as error:
            if not is_transient(error) or self._timed_out:
                raise JobRefused(code_of(error), explain(error, self.server)) from error
            # A refusal that overtakes our first message arrives as INTERNAL; the next try hears it in its own words.
            if error.code() is not grpc.StatusCode.INTERNAL:
                self._report_outage(explain(error, self.server))
        except OSError as error:
            raise JobRefused("TLS_FILES", str(error)) from error
        if self.ended is None and self._timed_out:
            raise JobRefused("UNAVAILABLE", f"The server {self.server.address} ends every connection.")
        if self.ended is None:
            await asyncio.sleep(self._backoff.next())

    def _report_outage(self, text: str) -> None:
        if not self.job_id and not self._told:
            self._told = True
            self._outage(text)

    @property
    def _timed_out(self) -> bool:
        return (not self.job_id or self._last_word is not None) and time.monotonic() > self._deadline

    async def _connection(self) -> None:
        async with self.server.connect() as channel:
            outbox: Outbox[pb.ClientMessage] = Outbox()
            outbox.put(self._first_message())
            call = JobsStub(channel).Run(aiter(outbox), metadata=bearer(self._token))
            beats: set[asyncio.Task[None]] = set()
            try:
                async for update in call:
                    if not beats:
                        self._greeted(update, outbox)
                        beats.add(asyncio.create_task(self._beat(outbox)))
                    self._receive(update)
            finally:
                self._outbox = None
                for beat in beats:
                    beat.cancel()
                outbox.close()
                call.cancel()

    def _first_message(self) -> pb.ClientMessage:
        if self.job_id:
            return pb.ClientMessage(resume=pb.Resume(job_id=self.job_id, resume_key=self._resume_key))
        request = self.request
        return pb.ClientMessage(
            open=pb.Open(
                request_id=request.request_id,
                sda_id=request.sda_id,
                pid=self.pid,
                process_name=request.process_name,
                framework=request.framework,
                client_version=request.client_version,
                time_limit_s=request.time_limit_s,
            )
        )

    def _receive(self, update: pb.JobUpdate) -> None:
        if self.last and update.revision < self.last.revision:
            return
        known = self.last is not None and _is_repeated(update, self.last)
        self.last = update
        if not known:
            self._news.put_nowait(update)

    def _greeted(self, update: pb.JobUpdate, outbox: Outbox[pb.ClientMessage]) -> None:
        self.connections += 1
        self.job_id = update.job_id
        self._resume_key = update.resume_key or self._resume_key
        self._heartbeat = update.heartbeat_interval_ms / 1000 or self._heartbeat
        self._grace = update.grace_ms / 1000 or self._grace
        self._outbox = outbox
        if self._last_word is not None:
            outbox.put(self._last_word)

    async def _beat(self, outbox: Outbox[pb.ClientMessage]) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            self._backoff.reset()
            if not outbox.stuck:
                outbox.put(pb.ClientMessage(heartbeat=pb.Heartbeat(devices=self._use(), pid=self.pid)))


def _is_repeated(update: pb.JobUpdate, last: pb.JobUpdate) -> bool:
    kind = update.WhichOneof("state")
    same_attempt = (update.attempt, kind) == (last.attempt, last.WhichOneof("state"))
    return same_attempt and kind is not None and getattr(update, kind) == getattr(last, kind)
