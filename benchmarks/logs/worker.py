"""A worker that writes 100 MB a second while a file is there: `python -m benchmarks.logs.worker FILE`."""

import os
import socket
import sys
import time
from pathlib import Path

RATE = 100_000_000  # bytes a second
LINE = b"2026-12-01T12:00:00+00:00 step 123456 loss 2.3145 lr 0.0003 grad 1.72 speed 321.5 samples/s\n"
BLOCK = LINE * 10_000


def main() -> None:
    """Listen, and write at the rate as far as the pipe takes it."""
    listener = socket.create_server(("127.0.0.1", int(os.environ["MOREH_WORKER_PORT"])))
    switch, due = Path(sys.argv[1]), 0.0
    while listener.fileno() >= 0:
        if not switch.exists():
            time.sleep(0.1)
            due = time.monotonic()
            continue
        os.write(1, BLOCK)
        due = max(due, time.monotonic() - 1) + len(BLOCK) / RATE
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
