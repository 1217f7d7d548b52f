"""The outputs of a node's workers: kept in its state folder by keepers that outlive the agent, and limited."""

import asyncio
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
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
        self._failed: dict[str, str] = {}  # what could not be tended the last time, and why

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
        """Delete what is over its limits, and start the keepers that have died.

        What cannot be read or deleted hinders nothing else; it is logged once and tried again.
        """
        with self._tolerated("old output"):
            self._delete(running)
        for worker_id in running:
            with self._tolerated(f"the output of worker {worker_id}"):
                folder = self._of(worker_id)
                if (folder / "pipe").exists() and not _is_kept(folder):
                    source = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
                    await asyncio.to_thread(self.keep, worker_id, source)

    @contextmanager
    def _tolerated(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._failed.get(what) != str(error):
                logger.warning("The agent cannot tend %s: %s.", what, error)
            self._failed[what] = str(error)
        else:
            self._failed.pop(what, None)

    def _delete(self, running: Collection[int]) -> None:
        over = [_Ended.read(folder) for folder in _entries(self._folder) if not _is_of(folder, running)]
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
        """Return what is known of an output; one that cannot be read, or is gone by now, has the size 0."""
        try:
            files = [segment.path for segment in segments(path)] or [path]
            found = [file.lstat() for file in files]
        except OSError:
            return cls(_changed_at(path), 0, path)
        return cls(found[-1].st_mtime, sum(stat.st_size for stat in found), path)


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:  # no worker has run yet
        return []


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
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
