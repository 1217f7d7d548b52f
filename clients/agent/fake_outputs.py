"""The outputs of simulated workers: computed when they are read, so that thousands of them cost nothing."""

import time
from collections.abc import Collection
from datetime import UTC, datetime
from random import Random

from clients.segments import Output

EVERY = 2.0  # seconds between two lines
LINE = 80  # bytes of each line, so that an offset is a number of lines
MOST_OVER = 64  # ended workers that are remembered


class FakeOutputs:
    """A line of training every two seconds, for each worker from its start to its end."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[float, float | None]] = {}

    def begin(self, worker_id: int) -> None:
        """Let a worker begin to write."""
        self._spans.pop(worker_id, None)
        self._spans[worker_id] = time.time(), None

    def end(self, worker_id: int) -> None:
        """Let a worker write no more."""
        if worker_id in self._spans:
            self._spans[worker_id] = self._spans[worker_id][0], time.time()
        over = [worker for worker, (_start, end) in self._spans.items() if end]
        for worker in over[:-MOST_OVER]:
            del self._spans[worker]

    def read(self, worker_id: int, offset: int, limit: int) -> Output | None:
        """Return a piece of a worker's output, from its end where `offset` is negative; None if nothing is kept."""
        if worker_id not in self._spans:
            return None
        began, ended = self._spans[worker_id]
        end = LINE * (1 + int(((ended or time.time()) - began) / EVERY))
        start = min(max(end + offset if offset < 0 else offset, 0), end)
        stop = min(start + limit, end)
        lines = range(start // LINE, -(-stop // LINE))
        data = b"".join(_line(worker_id, number, began) for number in lines)
        skipped = start - start // LINE * LINE
        return Output(start, data[skipped : skipped + stop - start], 0, end)

    async def tend(self, running: Collection[int]) -> None:
        """Do nothing: nothing is on a disk."""


def _line(worker_id: int, number: int, began: float) -> bytes:
    at = datetime.fromtimestamp(began + number * EVERY, UTC).isoformat(timespec="seconds")
    noise = Random(worker_id * 1_000_003 + number)  # noqa: S311 - a simulation
    if number == 0:
        text = f"{at} worker {worker_id}: devices are ready, training begins"
    else:
        loss, speed = 2.4 / (1 + number / 40) + noise.uniform(0, 0.1), noise.uniform(310, 330)
        text = f"{at} step {number * 10:>6} loss {loss:.4f} {speed:.1f} samples/s"
    return text.ljust(LINE - 1).encode() + b"\n"
