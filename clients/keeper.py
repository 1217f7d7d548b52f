"""Keeps the output of one worker: `python -m clients.keeper FOLDER LIMIT RATE`, with the worker's pipe as input.

It outlives the agent, and ends when nobody can write into the pipe any more. It always reads on: a full disk, or output
that is faster than RATE bytes a second, is left out, not waited for. After what was left out stands how much it was.
The last output is never left out: a program that ends says why in its last lines.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path

from clients.segments import SegmentWriter
from protocol.cuts import LEFT_OUT, rest_of_word

READ = 1 << 20  # bytes at once; also the size of the pipe, where the kernel allows it
HELD = 1 << 18  # bytes of fast output that are kept until there is time, or the worker is quiet or over
QUIET = 0.25  # seconds without output
BURST = 4.0  # seconds: so much more than RATE may come at once


class WriteBudget:
    """Bytes that may be written now: they grow by `rate` a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bytes = rate * BURST
        self._at = time.monotonic()

    def take(self, size: int) -> bool:
        """Whether so many bytes may be written now."""
        if not self.has(size):
            return False
        self._bytes -= size
        return True

    def has(self, size: float) -> bool:
        """Whether so many bytes are left."""
        now = time.monotonic()
        self._bytes = min(self._rate * BURST, self._bytes + (now - self._at) * self._rate)
        self._at = now
        return self._bytes >= size

    def has_a_second(self) -> bool:
        """Whether there is enough for a second of output."""
        return self.has(self._rate)


class Keeper:
    """Decides what of the output is written. It never fails: what cannot be written is left out."""

    def __init__(self, writer: SegmentWriter, budget: WriteBudget) -> None:
        self._writer = writer
        self._budget = budget
        self._held = b""
        self._left_out = 0
        self._in_line = False  # what was left out ends within a line

    def receive(self, data: bytes) -> None:
        """Write data, or hold its end."""
        if not (self._held or self._left_out) and self._budget.take(len(data)):
            self._write(data)
            return
        whole = self._held + data[-HELD - 1 :]
        self._leave_out(len(self._held) + len(data) - HELD, whole[:-HELD])
        self._held = whole[-HELD:]
        if self._budget.has_a_second():
            self.release()

    def release(self, *, at_end: bool = False) -> None:
        """Write what was held, after a line that says how much is missing before it."""
        if self._left_out and not self._write_note(at_end=at_end):
            return
        held, self._held = self._held, b""
        self._budget.take(len(held))
        self._write(held)

    def _write_note(self, *, at_end: bool) -> bool:
        """Whether the line is written. The rest of a word that is cut is left out too: it may be of a secret."""
        cut = rest_of_word(self._held) if self._in_line else 0
        if cut == len(self._held) > 0:
            self._leave_out(cut, self._held)
            self._held = b""
            if not at_end:
                return False
            cut = 0
        note = (LEFT_OUT % (self._left_out + cut)).encode()
        if self._writer.write(note) < len(note):
            return False
        self._held, self._left_out = self._held[cut:], 0
        return True

    def _write(self, data: bytes) -> None:
        written = self._writer.write(data)
        self._leave_out(len(data) - written, data[written:])

    def _leave_out(self, size: int, end: bytes) -> None:
        if size > 0:
            self._left_out += size
            self._in_line = not end.endswith(b"\n")


def keep(source: int, keeper: Keeper) -> None:
    """Read a pipe to its end."""
    while True:
        if not select.select([source], [], [], QUIET)[0]:
            keeper.release()
            select.select([source], [], [])
        data = os.read(source, READ)
        if not data:
            keeper.release(at_end=True)
            return
        keeper.receive(data)


def main() -> None:
    """Keep the output, in a process of its own without a parent that would have to wait for it."""
    folder, limit, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its worker
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, READ)
    if os.fork():
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another one keeps it
    os.set_blocking(0, True)
    keep(0, Keeper(SegmentWriter(folder, limit), WriteBudget(rate)))


if __name__ == "__main__":
    main()
