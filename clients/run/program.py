"""The program beside which a job lives: its environment, its signals, its exit code."""

import asyncio
import errno
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from clients.run.errors import CannotStart
from protocol.v1 import jobs_pb2 as pb

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
TIMEOUT = 10.0  # seconds between asking a program to end and making it


def environment(job_id: int, running: pb.Running) -> dict[str, str]:
    """Return a job's variables: MOREH_JOB_ID, MOREH_WORKERS (ip:port,…) and MOREH_DEVICES (host:0,1;…)."""
    devices = (f"{worker.host}:{','.join(map(str, worker.device_indexes))}" for worker in running.workers)
    return {
        "MOREH_JOB_ID": str(job_id),
        "MOREH_WORKERS": ",".join(worker.address for worker in running.workers),
        "MOREH_DEVICES": ";".join(devices),
    }


class Signals:
    """While entered, signals sent to us go to the program; those that end one are remembered."""

    def __init__(self) -> None:
        self.program: asyncio.subprocess.Process | None = None
        self.ended_by: signal.Signals | None = None
        self.asked_to_end = asyncio.Event()

    def __enter__(self) -> "Signals":
        for number in PASSED_ON:
            asyncio.get_running_loop().add_signal_handler(number, self._take, number)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number in PASSED_ON:
            asyncio.get_running_loop().remove_signal_handler(number)

    def pass_to(self, program: asyncio.subprocess.Process) -> None:
        """Pass our signals to the program from now on, and the one that came while it started."""
        self.program = program
        if self.ended_by:
            program.send_signal(self.ended_by)

    def _take(self, number: signal.Signals) -> None:
        if number in ENDING:
            self.ended_by = number
            self.asked_to_end.set()
        if self.program and self.program.returncode is None and not _typed_at_terminal(number):
            self.program.send_signal(number)


def _typed_at_terminal(number: signal.Signals) -> bool:
    """The terminal gives Ctrl-C and Ctrl-\\ to the whole foreground group: the program has it already."""
    if number not in (signal.SIGINT, signal.SIGQUIT) or not sys.stdin or not sys.stdin.isatty():
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def require_program(command: Sequence[str]) -> None:
    """Require that the program exists, before anything is requested. Raises CannotStart."""
    if shutil.which(command[0]) is None:
        number = errno.EACCES if Path(command[0]).exists() else errno.ENOENT
        raise CannotStart(command[0], OSError(number, os.strerror(number)))


async def launch(command: Sequence[str], extra: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start the command with our own input and output. Raises CannotStart."""
    try:
        return await asyncio.create_subprocess_exec(*command, env={**os.environ, **extra})
    except OSError as error:
        raise CannotStart(command[0], error) from error


async def end(program: asyncio.subprocess.Process) -> None:
    """Send SIGTERM to the program, and SIGKILL when it does not end."""
    if program.returncode is not None:
        return
    program.terminate()
    try:
        await asyncio.wait_for(program.wait(), TIMEOUT)
    except TimeoutError:
        program.kill()
        await program.wait()


def exit_code(returncode: int) -> int:
    """Turn Python's -n for signal n into the shell's 128 + n."""
    return returncode if returncode >= 0 else 128 - returncode
