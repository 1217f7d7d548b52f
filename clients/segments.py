"""The output of a worker on disk: segments in a folder, each named by the offset of its first byte.

One process writes (`clients/keeper.py`), any may read. Offsets count the bytes that were kept, from the first on.
"""

import contextlib
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

PARTS = 8  # segments of one output: so much of it goes at once when it is full
SUFFIX = ".log"


class Output(NamedTuple):
    """A piece of an output: the offset of its first byte, its bytes, and what is kept of the whole output."""

    offset: int
    data: bytes
    first: int
    end: int


class Segment(NamedTuple):
    """A file of an output."""

    start: int
    size: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """Return the segments of an output, the oldest first; none if there is no such folder.

    What is no file, or a link to nowhere, is no segment. Raises OSError if the folder cannot be read.
    """
    return sorted(_found(folder))


def _found(folder: Path) -> Iterator[Segment]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in folder.iterdir():
            if path.suffix == SUFFIX and path.stem.isdigit():
                with contextlib.suppress(OSError):  # deleted meanwhile, or broken
                    status = path.stat()
                    if stat.S_ISREG(status.st_mode):
                        yield Segment(int(path.stem), status.st_size, path)


def read_output(folder: Path, offset: int, limit: int) -> Output | None:
    """Return at most `limit` bytes from an offset on, or the last `-offset` bytes at most; None if nothing is kept.

    Raises OSError if a segment cannot be read.
    """
    kept = segments(folder)
    if not kept:
        return None
    first, end = kept[0].start, kept[-1].start + kept[-1].size
    start = min(max(end + offset if offset < 0 else offset, first), end)
    data = b""
    for segment in kept:
        if segment.start <= start + len(data) < segment.start + segment.size and len(data) < limit:
            data += _read(segment, start + len(data), limit - len(data))
    return Output(start, data, first, end)


def _read(segment: Segment, offset: int, limit: int) -> bytes:
    try:
        with segment.path.open("rb") as file:
            file.seek(offset - segment.start)
            return file.read(min(limit, segment.start + segment.size - offset))
    except FileNotFoundError:  # the reader is late: what it asked for goes away as it reads
        return b""


class SegmentWriter:
    """Appends to an output that never takes more than `limit` bytes on disk."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._size = max(1, limit // PARTS)
        kept = segments(folder)
        self._starts = [segment.start for segment in kept]
        self._file: FileIO | None = None
        self._end = kept[-1].start + kept[-1].size if kept else 0

    def write(self, data: bytes) -> int:
        """Append data; return how many bytes are written: fewer when the disk is full, and the next call tries again.

        The oldest segment goes before a new one begins.
        """
        view, before = memoryview(data), self._end
        with contextlib.suppress(OSError):
            while view:
                file = self._current()
                written = file.write(view[: self._size - (self._end - self._starts[-1])])
                if not written:
                    break
                self._end += written
                view = view[written:]
        return self._end - before

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _current(self) -> FileIO:
        if self._starts and self._end - self._starts[-1] < self._size:
            if self._file is None:
                self._file = FileIO(self._path(self._starts[-1]), "a")
            return self._file
        while len(self._starts) >= PARTS:
            self._path(self._starts[0]).unlink(missing_ok=True)
            del self._starts[0]
        file = FileIO(self._path(self._end), "a")  # raises OSError: then nothing has changed, and it is tried again
        self.close()
        self._file = file
        self._starts.append(self._end)
        return file

    def _path(self, start: int) -> Path:
        return self._folder / f"{start:020}{SUFFIX}"
