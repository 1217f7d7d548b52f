"""From the request to the exit code: a job and its program, side by side."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from clients.guard import Guard
from clients.run.client import JobClient
from clients.run.errors import CannotStart, JobEnded, JobRefused
from clients.run.program import Signals, end, environment, exit_code, launch, require_program
from clients.run.progress import describe
from protocol.v1 import jobs_pb2 as pb

FAILED = 125  # of moreh-run itself, as `env` and `timeout` say it
CANCEL_TIMEOUT = 5.0  # seconds; without an answer the server's grace time does the rest


class Session:
    """Runs one command on the devices of one job; a preempted job runs it again."""

    def __init__(self, job: JobClient, command: Sequence[str], report: Callable[[str], None]) -> None:
        self.job = job
        self.command = command
        self.report = report
        self.signals = Signals()
        self._updates = job.updates()
        self._coming: asyncio.Task[pb.JobUpdate] | None = None

    async def run(self) -> int:
        """Ask, wait, run, give back. Returns the exit code for the shell."""
        try:
            require_program(self.command)
        except CannotStart as error:
            self.report(str(error))
            return error.exit_code
        with self.signals:
            self.report("requesting…")
            self.job.start()
            try:
                return await self._attempts()
            except JobRefused as refusal:
                self.report(f"{refusal} ({refusal.code})")
            except JobEnded:
                pass  # its last update has been said
            except CannotStart as error:
                self.report(str(error))
                await self._cancel()
                return error.exit_code
            finally:
                self._stop()
            return FAILED

    async def _attempts(self) -> int:
        while True:
            running = await self._devices()
            if running is None:
                await self._cancel()
                return 128 + (self.signals.ended_by or 0)
            code = await self._run_program(running)
            if code is not None:
                return code

    async def _devices(self) -> pb.Running | None:
        """Wait for the devices; None when we are asked to end first. Raises JobEnded, JobRefused."""
        stopped = asyncio.create_task(self.signals.asked_to_end.wait())
        try:
            while (update := await self._next_or(stopped)) is not None:
                self.report(describe(update))
                if update.HasField("running"):
                    return update.running
                if update.HasField("ended"):
                    raise JobEnded(update.ended)
            return None
        finally:
            stopped.cancel()

    async def _run_program(self, running: pb.Running) -> int | None:
        """Run the command while the job lives; None when its devices were taken for a more important one."""
        with Guard() as guard:
            return await self._guarded(running, guard)

    async def _guarded(self, running: pb.Running, guard: Guard) -> int | None:
        program = await launch(self.command, environment(self.job.job_id, running) | guard.environment)
        self.signals.pass_to(program)
        self.job.pid = program.pid
        over = asyncio.create_task(program.wait())
        try:
            while (update := await self._next_or(over)) is not None:
                self.report(describe(update))
                if update.HasField("running"):
                    continue
                await end(program)
                await asyncio.to_thread(guard.end_all)
                if update.HasField("ended"):
                    raise JobEnded(update.ended)
                return None
        except JobRefused as refusal:
            self.report(f"{refusal} ({refusal.code}); the program goes on")
        code = await over
        if self.signals.ended_by:
            await asyncio.to_thread(guard.end_all)
        return await self._part(code)

    async def _part(self, returncode: int) -> int:
        code = exit_code(returncode)
        signal = self.signals.ended_by
        try:
            ended = await (self.job.cancel() if signal and code == 128 + signal else self.job.finish(code))
            self.report(describe(pb.JobUpdate(ended=ended)))
        except TimeoutError:
            self.report("the server does not answer; it will notice that the program is over")
        except JobRefused:
            pass  # said before
        return code

    async def _cancel(self) -> None:
        with contextlib.suppress(JobRefused, TimeoutError):
            ended = await asyncio.wait_for(self.job.cancel(), CANCEL_TIMEOUT)
            self.report(describe(pb.JobUpdate(ended=ended)))

    async def _next_or(self, other: "asyncio.Task[Any]") -> pb.JobUpdate | None:
        """Wait for the next update; None when the other thing comes first."""
        coming = self._coming = self._coming or asyncio.create_task(_first(self._updates))
        await asyncio.wait({coming, other}, return_when=asyncio.FIRST_COMPLETED)
        if other.done():
            return None
        self._coming = None
        return coming.result()

    def _stop(self) -> None:
        if self._coming:
            self._coming.cancel()
        self.job.abandon()


async def _first(updates: Any) -> pb.JobUpdate:
    update: pb.JobUpdate = await anext(updates)
    return update
