"""An agent's memory on disk: what it was told, what came of it, what runs. Survives any death of the agent.

Lines of JSON, appended and flushed before anything depends on them. Only the rewrite at each start is forced to the
disk: losing the machine loses its workers too, and then only the boot counter must not go back.
"""

import fcntl
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from protocol.v1 import agents_pb2 as pb

KEPT = 1000  # settled orders and stopped workers; a manager delivers again only what is not settled in its own book
LONGEST = 20_000  # lines before it is rewritten


class BookInUse(Exception):
    """Another agent works with this folder."""


@dataclass(frozen=True)
class Kept:
    """A worker that outlives its agent."""

    worker_id: int
    job_id: int
    devices: tuple[int, ...]
    address: str
    pid: int


class Book:
    """One agent's book. Opening it counts a start: `boot` grows, `instance_id` stays. Raises BookInUse, OSError."""

    def __init__(self, folder: Path) -> None:
        self.boot = 0
        self.instance_id = str(uuid.uuid4())
        self.results: dict[str, pb.Result | None] = {}
        self.starts: dict[str, int] = {}
        self.stopped: dict[int, None] = {}
        self.workers: dict[int, Kept] = {}
        self._path = folder / "book.jsonl"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise BookInUse(str(folder)) from error
        self._read()
        self.boot += 1
        self._rewrite()

    def accept(self, order: pb.Order) -> None:
        """Remember an order before it is acknowledged. The environment it carries is not written down."""
        self._write({"order": order.order_id, "starts": 0})

    def begin(self, order_id: str, worker_id: int) -> None:
        """Remember that a START is carried out from now on: it is never begun a second time."""
        self._write({"order": order_id, "starts": worker_id})

    def settle(self, result: pb.Result) -> None:
        """Remember what came of an order."""
        self._write({"result": MessageToDict(result, preserving_proto_field_name=True)})

    def stop(self, worker_id: int) -> None:
        """Remember that a worker must never start (again)."""
        if worker_id not in self.stopped:
            self._write({"stopped": worker_id})

    def keep(self, worker: Kept) -> None:
        """Remember a worker that runs."""
        self._write({"worker": [worker.worker_id, worker.job_id, list(worker.devices), worker.address, worker.pid]})

    def forget(self, worker_id: int) -> None:
        """Remember that a worker is gone."""
        if worker_id in self.workers:
            self._write({"gone": worker_id})

    def interrupted_starts(self) -> dict[str, int]:
        """Find the START orders, with their workers, that were begun and have no result."""
        return {order: worker for order, worker in self.starts.items() if worker and self.results[order] is None}

    def close(self) -> None:
        """Leave the folder to the next agent."""
        self._file.close()
        os.close(self._lock)

    def _write(self, line: dict[str, Any]) -> None:
        self._apply(line)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._lines += 1
        if self._lines > LONGEST:
            self._file.close()
            self._rewrite()

    def _apply(self, line: dict[str, Any]) -> None:
        match line:
            case {"boot": int(boot), "instance": str(instance)}:
                self.boot, self.instance_id = boot, instance
            case {"order": str(order), "starts": int(worker)}:
                self.results.setdefault(order, None)
                self.starts[order] = worker
            case {"result": dict(fields)}:
                self.results[fields["order_id"]] = ParseDict(fields, pb.Result())
            case {"stopped": int(worker)}:
                self.stopped[worker] = None
            case {"worker": [worker, job, devices, address, pid]}:
                self.workers[worker] = Kept(worker, job, tuple(devices), address, pid)
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
        draft = self._path.with_suffix(".new")
        self._drop_old()
        with draft.open("w") as out:
            for line in self._summary():
                out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._path)
        self._lines = 0
        self._file = self._path.open("a")

    def _drop_old(self) -> None:
        settled = [order for order, result in self.results.items() if result is not None]
        for order in settled[:-KEPT]:
            del self.results[order]
            self.starts.pop(order, None)
        for worker in list(self.stopped)[:-KEPT]:
            del self.stopped[worker]

    def _summary(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = [{"boot": self.boot, "instance": self.instance_id}]
        lines += [{"order": order, "starts": self.starts.get(order, 0)} for order in self.results]
        results = (result for result in self.results.values() if result is not None)
        lines += [{"result": MessageToDict(result, preserving_proto_field_name=True)} for result in results]
        lines += [{"stopped": worker} for worker in self.stopped]
        kept = self.workers.values()
        return [*lines, *({"worker": [w.worker_id, w.job_id, list(w.devices), w.address, w.pid]} for w in kept)]
