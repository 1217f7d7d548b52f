"""When a request has arrived: its head, and the body that its head announces.

Only the framing is looked at, to know when a thread may begin. Gunicorn's parser reads the same bytes afterwards,
decides what they mean and refuses what is malformed; so whatever is odd counts as complete.
"""

import errno
import re
from enum import Enum, auto

from gunicorn.http.unreader import Unreader

MOST_HEAD = 64 * 1024  # bytes
MOST_BODY = 32 * 1024 * 1024  # bytes; an import may have 10 MB, and a larger one is refused by its page
MOST_CHUNKS = 10_000  # each costs the parser microseconds: a million of one byte kept a core busy for ten seconds
MOST_LINE = 8 * 1024  # bytes of a chunk's size and extensions
LEAST_READ = 8 * 1024  # bytes
END = b"\r\n\r\n"
BARE_LF = re.compile(rb"(?<!\r)\n")
LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)[ \t]*(?=\r\n)")
CODED = re.compile(rb"(?i)\r\ntransfer-encoding:([^\r]*)(?=\r\n)")
CONTINUE = re.compile(rb"(?i)\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)")
TARGET = re.compile(rb"(?:GET|HEAD) ([^ ?]+)")


class Progress(Enum):
    """How much of a request has arrived."""

    PARTIAL = auto()
    COMPLETE = auto()
    HEAD_TOO_LARGE = auto()
    BODY_TOO_LARGE = auto()


class Arrival:
    """The bytes of a request that is arriving, and perhaps of the next ones."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.head = 0  # bytes, 0 until the head is complete
        self._looked = 0
        self._body: _Body | None = None

    @property
    def awaits_continue(self) -> bool:
        """Whether the client sends the body only when it is told to."""
        return bool(self.head and CONTINUE.search(self.data, 0, self.head))

    @property
    def target(self) -> str:
        """Return the path of a GET or HEAD without its query string; "" for anything else."""
        found = TARGET.match(self.data)
        return found[1].decode("latin-1") if found else ""

    def progress(self) -> Progress:
        """Return how far the request has arrived; each byte is looked at once."""
        if self._body is None and (head := self._look_for_head()) is not None:
            return head
        assert self._body is not None
        if self._body.ended(self.data):
            return Progress.COMPLETE
        too_large = max(self._body.length, len(self.data) - self.head) > MOST_BODY
        return Progress.BODY_TOO_LARGE if too_large else Progress.PARTIAL

    def _look_for_head(self) -> Progress | None:
        """Return what is known without a complete head, or None when the body is what counts."""
        begin = max(0, self._looked - len(END))
        end = self.data.find(END, begin)
        if BARE_LF.search(self.data, begin, end if end >= 0 else len(self.data)):
            return Progress.COMPLETE
        self._looked = len(self.data)
        if end < 0:
            return Progress.HEAD_TOO_LARGE if len(self.data) > MOST_HEAD else Progress.PARTIAL
        self.head = end + len(END)
        self._body = _body_of(self.data, self.head)
        return None


class Arrived(Unreader):
    """Gunicorn's reader of a request that is there: it never waits for the client."""

    def __init__(self, data: bytearray) -> None:
        super().__init__()
        self._data = memoryview(data)
        self._at = 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes. Raises ConnectionResetError when a malformed request announces more than it has."""
        part = bytes(self._data[self._at : self._at + max(size_hint or 0, LEAST_READ)])
        if not part:
            raise ConnectionResetError(errno.ECONNRESET, "The request is malformed.")  # which gunicorn does not log
        self._at += len(part)
        return part

    def rest(self) -> bytes:
        """Return what was not read: the beginning of the next request."""
        return bytes(self.buf.getvalue()) + bytes(self._data[self._at :])


class _Body:
    """A body that is complete at a known place."""

    def __init__(self, begin: int, length: int) -> None:
        self.length = length
        self._end = begin + length

    def ended(self, data: bytearray) -> bool:
        return len(data) >= self._end


class _ChunkedBody(_Body):
    """A body in chunks, which is complete after the last one's trailers."""

    def __init__(self, begin: int) -> None:
        super().__init__(begin, 0)
        self._at = begin
        self._chunks = 0
        self._last = False

    def ended(self, data: bytearray) -> bool:
        while not self._last:
            line = data.find(b"\r\n", self._at)
            if line < 0:
                return len(data) - self._at > MOST_LINE
            size = _chunk_size(data[self._at : line])
            if size is None:
                return True
            self._chunks += 1
            if self._chunks > MOST_CHUNKS or size > MOST_BODY:
                self.length = MOST_BODY + 1
                return False
            self._last = size == 0
            self._at = line if self._last else line + 2 + size + 2
        return data.find(END, self._at) >= 0 or len(data) - self._at > MOST_HEAD


def _body_of(data: bytearray, head: int) -> _Body:
    lengths, codings = LENGTH.findall(data, 0, head), CODED.findall(data, 0, head)
    if codings:
        last = codings[-1].rpartition(b",")[2].strip(b" \t").lower()  # chunked after others frames the body as well
        return _ChunkedBody(head) if last == b"chunked" and not lengths else _Body(head, 0)
    if len(lengths) != 1:
        return _Body(head, 0)
    return _Body(head, int(lengths[0].lstrip(b"0")[:18] or b"0"))


def _chunk_size(line: bytes | bytearray) -> int | None:
    digits = bytes(line).split(b";", 1)[0].strip(b" \t")
    return int(digits, 16) if re.fullmatch(rb"[0-9A-Fa-f]+", digits) else None
