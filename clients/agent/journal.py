"""The journal of an agent on disk: its orders, their results, its workers. It survives any death of the agent.

Lines of JSON. What something will depend on (an order, a start that begins, a stop) is on the disk first, or the method
raises OSError. What has happened already (a result, a worker that runs or is gone) is written as soon as the disk can
take it: until then a death of the agent loses it, as one that came a moment earlier would have. After a write that
failed, the whole file is written anew. Only this is forced to the disk: losing the machine loses its workers too, and
then only the boot counter must not go back.
"""

import errno
import fcntl
import json
import logging
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from clients.agent.errors import JournalInUse
from protocol.v1 import agents_pb2 as pb

logger = logging.getLogger("moreh-agent")

# Settled orders and stopped workers that are kept: the manager resends only orders that it has not settled.
MOST_SETTLED = 1000
LONGEST = 20_000  # lines before it is rewritten
LOCK_WITHIN = 2.0  # seconds: a child that a killed agent was just starting holds the lock until it runs its command


def _locked(file: Path) -> int:
    """Open a file and lock it; return its descriptor. Raises JournalInUse."""
    descriptor, until = os.open(file, os.O_RDWR | os.O_CREAT, 0o600), time.monotonic() + LOCK_WITHIN
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as error:
            if time.monotonic() > until:
                os.close(descriptor)
                raise JournalInUse(str(file.parent)) from error
        time.sleep(0.05)


@dataclass(frozen=True)
class SavedWorker:
    """A worker that outlives its agent."""

    worker_id: int
    job_id: int
    devices: tuple[int, ...]
    address: str
    pid: int


class Journal:
    """The journal of one agent. Opening it counts a start: `boot` grows, `instance_id` stays.

    Raises JournalInUse, OSError.
    """

    def __init__(self, folder: Path) -> None:
        self.boot = 0
        self.instance_id = str(uuid.uuid4())
        self.results: dict[str, pb.Result | None] = {}
        self.starts: dict[str, int] = {}
        self.once: dict[str, tuple[str, str]] = {}
        self.stopped: dict[int, None] = {}
        self.workers: dict[int, SavedWorker] = {}
        self._path = folder / "book.jsonl"
        self._file: FileIO | None = None
        self._lines = 0
        self._behind = False  # the file lacks lines, and may end in half a line
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(folder / "lock")
        self._read()
        self.boot += 1
        self._rewrite()

    def accept(self, order: pb.Order) -> None:
        """Remember a new order before it is acknowledged, without the environment it carries. Raises OSError."""
        if order.order_id not in self.results or self._behind:
            self._write({"order": order.order_id, "starts": self.starts.get(order.order_id, 0)})

    def begin(self, order_id: str, worker_id: int) -> None:
        """Remember that a START is carried out from now on: it is never begun a second time. Raises OSError."""
        self._write({"order": order_id, "starts": worker_id})

    def begin_once(self, order_id: str, verb: str, boot_id: str) -> None:
        """Remember that a reset or reboot is carried out from now on, in this boot of the node.

        It is on the disk before anything happens: it is never begun a second time.
        """
        self._write({"once": order_id, "verb": verb, "boot_id": boot_id})
        if self._file:
            os.fsync(self._file.fileno())

    def interrupted_once(self) -> dict[str, tuple[str, str]]:
        """Return the verb and the boot of the resets and reboots that were begun and have no result."""
        return {order: begun for order, begun in self.once.items() if self.results.get(order) is None}

    def settle(self, result: pb.Result) -> None:
        """Remember what came of an order."""
        self._note({"result": MessageToDict(result, preserving_proto_field_name=True)})

    def stop(self, worker_id: int) -> None:
        """Remember that a worker must never start (again). Raises OSError."""
        if worker_id not in self.stopped or self._behind:
            self._write({"stopped": worker_id})

    def keep(self, worker: SavedWorker) -> None:
        """Remember a worker that runs."""
        self._note({"worker": [worker.worker_id, worker.job_id, list(worker.devices), worker.address, worker.pid]})

    def forget(self, worker_id: int) -> None:
        """Remember that a worker is gone."""
        if worker_id in self.workers:
            self._note({"gone": worker_id})

    def interrupted_starts(self) -> dict[str, int]:
        """Return the START orders, with their workers, that were begun and have no result."""
        return {order: worker for order, worker in self.starts.items() if worker and self.results[order] is None}

    def close(self) -> None:
        """Release the folder for the next agent."""
        if self._file:
            self._file.close()
        os.close(self._lock)

    def _note(self, line: dict[str, Any]) -> None:
        """Write what has happened already: when the disk cannot take it now, the next write brings it."""
        known = self._behind
        try:
            self._write(line)
        except OSError as error:
            if not known:
                logger.warning("The journal cannot be written: %s.", error)

    def _write(self, line: dict[str, Any]) -> None:
        self._apply(line)
        if self._file is None or self._behind or self._lines >= LONGEST:
            self._rewrite()
            return
        self._behind = True
        self._append(self._file, [line])
        self._behind = False

    def _append(self, file: FileIO, lines: Iterable[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        try:
            written = file.write(text)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        if written != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._lines += 1

    def _apply(self, line: dict[str, Any]) -> None:
        match line:
            case {"boot": int(boot), "instance": str(instance)}:
                self.boot, self.instance_id = boot, instance
            case {"order": str(order), "starts": int(worker)}:
                self.results.setdefault(order, None)
                self.starts[order] = worker
            case {"once": str(order), "verb": str(verb), "boot_id": str(boot_id)}:
                self.once[order] = verb, boot_id
            case {"result": dict(fields)}:
                self.results[fields["order_id"]] = ParseDict(fields, pb.Result())
            case {"stopped": int(worker)}:
                self.stopped[worker] = None
            case {"worker": [worker, job, devices, address, pid]}:
                self.workers[worker] = SavedWorker(worker, job, tuple(devices), address, pid)
            case {"gone": int(worker)}:
                self.workers.pop(worker, None)

    def _read(self) -> None:
        if not self._path.exists():
            return
        for text in self._path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # cut off by the death of the agent: nothing has depended on it
            self._apply(line)

    def _rewrite(self) -> None:
        """Keep what still matters, in a new file that replaces the old one at once."""
        self._behind = True
        draft = self._path.with_suffix(".new")
        self._drop_old()
        new = FileIO(draft, "w")
        try:
            self._append(new, self._summary())
            os.fsync(new.fileno())
            draft.replace(self._path)
        except OSError:
            new.close()
            draft.unlink(missing_ok=True)
            raise
        if self._file:
            self._file.close()
        self._file, self._lines, self._behind = new, 0, False

    def _drop_old(self) -> None:
        settled = [order for order, result in self.results.items() if result is not None]
        for order in settled[:-MOST_SETTLED]:
            del self.results[order]
            self.starts.pop(order, None)
            self.once.pop(order, None)
        for worker in list(self.stopped)[:-MOST_SETTLED]:
            del self.stopped[worker]

    def _summary(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = [{"boot": self.boot, "instance": self.instance_id}]
        lines += [{"order": order, "starts": self.starts.get(order, 0)} for order in self.results]
        lines += [{"once": order, "verb": verb, "boot_id": boot} for order, (verb, boot) in self.once.items()]
        results = (result for result in self.results.values() if result is not None)
        lines += [{"result": MessageToDict(result, preserving_proto_field_name=True)} for result in results]
        lines += [{"stopped": worker} for worker in self.stopped]
        kept = self.workers.values()
        return [*lines, *({"worker": [w.worker_id, w.job_id, list(w.devices), w.address, w.pid]} for w in kept)]
