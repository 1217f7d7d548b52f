"""A follower that reads an output as fast as it can: `python -m benchmarks.logs.follower NODE WORKER`."""

import signal
import sys
import time

import django

django.setup()

from protocol.v1 import agents_pb2 as pb  # noqa: E402 - Django first
from scheduler.logs.broker import Read, ask  # noqa: E402
from scheduler.logs.reading import MOST_BYTES  # noqa: E402
from scheduler.logs.text import AROUND, OutputWindow, text_of  # noqa: E402

pieces: list[tuple[int, float]] = []  # bytes, and seconds that they took
begun = time.monotonic()


def main() -> None:
    """Read piece by piece, and mask each."""
    node, worker = int(sys.argv[1]), int(sys.argv[2])
    place = 0
    while True:
        asked = time.monotonic()
        [piece] = ask([Read(node, worker, max(0, place - AROUND), MOST_BYTES + 2 * AROUND)])
        if not isinstance(piece, pb.LogPiece) or piece.problem:
            continue
        start = max(place, piece.offset)
        place = text_of(
            OutputWindow(piece.offset, piece.data, open_end=piece.end == piece.offset), start, MOST_BYTES
        ).next_offset
        pieces.append((place - start, time.monotonic() - asked))


def tell(*_signal: object) -> None:
    """Print what was read, and end."""
    spent = time.monotonic() - begun
    slowest = sorted(seconds for _size, seconds in pieces)[int(len(pieces) * 0.99)] if pieces else 0.0
    print(
        f"{sum(size for size, _ in pieces) / spent / 1e6:.1f} MB/s, {len(pieces)} pieces, p99 {slowest * 1000:.0f} ms"
    )
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, tell)
    main()
