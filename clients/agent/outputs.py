"""The outputs of a node's workers: kept in its state folder by keepers that outlive the agent, and limited."""

import asyncio
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from clients.segments import Output, read_output, segments
from protocol import wire

logger = logging.getLogger("moreh-agent")

MIB = 1024 * 1024
KEEPER_WITHIN = 10.0  # seconds in which a keeper has begun


class Outputs(Protocol):
    """What an agent's workers have written."""

    def read(self, worker_id: int, offset: int, limit: int) -> Output | None:
        """Return a piece of a worker's output, from its end where `offset` is negative; None if nothing is kept."""

    async def tend(self, running: Collection[int]) -> None:
        """Delete what is over its limits, and see to it that the output of each running worker is kept."""


class OutputLimits(NamedTuple):
    """How much is kept: bytes of each worker and of all, days after its end, bytes a second of each worker."""

    size: int = 64 * MIB
    total: int = 4096 * MIB
    days: float = 7.0
    rate: int = 4 * MIB

    @property
    def each(self) -> int:
        """Return the bytes of one worker: so few that as many workers as a node can have stay within the total."""
        return min(self.size, self.total // wire.MAX_DEVICES)


class KeptOutputs:
    """Outputs in folders, one for each worker that has run: `<folder>/<worker id>/`."""

    def __init__(self, folder: Path, limits: OutputLimits) -> None:
        self._folder = folder
        self._limits = limits

    def open_pipe(self, worker_id: int) -> tuple[int, int]:
        """Make the pipe of a new worker; return the end for the worker, and the end for its keeper. Raises OSError.

        The worker's end is also open for reading: so the worker is never killed by SIGPIPE, whoever else dies.
        """
        folder = self._of(worker_id)
        _remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        os.mkfifo(folder / "pipe", 0o600)
        return os.open(folder / "pipe", os.O_RDWR), os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def keep(self, worker_id: int, source: int) -> None:
        """Start the keeper of an output, unless one is there, and close our end of its pipe; blocks until it works.

        One that does not start is only logged: the worker runs on, and `tend` tries again.
        """
        command = (str(self._of(worker_id)), str(self._limits.each), str(self._limits.rate))
        try:
            subprocess.run(  # noqa: S603 - our own module
                (sys.executable, "-m", "clients.keeper", *command),
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                timeout=KEEPER_WITHIN,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            logger.warning("The output of worker %s is not kept: %s.", worker_id, error)
        finally:
            os.close(source)

    def read(self, worker_id: int, offset: int, limit: int) -> Output | None:
        """Return a piece of a worker's output, from its end where `offset` is negative; None if nothing is kept."""
        return read_output(self._of(worker_id), offset, limit)

    async def tend(self, running: Collection[int]) -> None:
        """Delete what is over its limits, and start the keepers that have died."""
        self._delete(running)
        for worker_id in running:
            folder = self._of(worker_id)
            if (folder / "pipe").exists() and not _is_kept(folder):
                source = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
                await asyncio.to_thread(self.keep, worker_id, source)

    def _delete(self, running: Collection[int]) -> None:
        over = [_Ended.read(folder) for folder in self._folder.iterdir() if not _is_of(folder, running)]
        free = self._limits.total - self._limits.each * len(running)
        oldest = time.time() - self._limits.days * 86_400
        for ended in sorted(over, key=lambda one: -one.at):
            free -= ended.size
            if free < 0 or ended.at < oldest:
                _remove(ended.path)

    def _of(self, worker_id: int) -> Path:
        return self._folder / str(worker_id)


class _Ended(NamedTuple):
    """An output that is over: when it was last written, its bytes, and its folder."""

    at: float
    size: int
    path: Path

    @classmethod
    def read(cls, path: Path) -> "_Ended":
        files = [segment.path for segment in segments(path)] or [path]
        found = [file.stat() for file in files]
        return cls(found[-1].st_mtime, sum(stat.st_size for stat in found), path)


def _is_of(folder: Path, running: Collection[int]) -> bool:
    """Whether a folder, or a file of earlier versions (`worker-7.log`), belongs to one of these workers."""
    return folder.name.removeprefix("worker-").removesuffix(".log") in {str(worker) for worker in running}


def _is_kept(folder: Path) -> bool:
    """Whether a keeper works in a folder."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
