"""Make text of the bytes that a worker wrote: no control character, no escape sequence, no secret.

A piece is a part of a window. The bytes around it decide what a secret is, so that one that lies across the border of
two pieces is masked in the first and left out of the second. Where bytes before a window are not seen, its first word
may be the rest of a secret; a run without a blank that fills the window before a piece may be one as well, and is
masked.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from core.masking import MASK, secret_spans
from protocol.cuts import LEFT_OUT, VALUE_ENDS, rest_of_word

AROUND = 1024  # bytes of the window on each side of a piece: more than the longest secret and escape sequence
LONGEST_WORD = 512  # bytes; a longer run at the end of an output is not waited for
LEAST_PART = 256  # bytes
VALUE_BYTES = bytes(byte for byte in range(256) if not re.match(rb"[%s]" % VALUE_ENDS, bytes((byte,))))
TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
LEFT_OUT_LINE = re.compile(re.escape(LEFT_OUT.encode()).replace(rb"%d", rb"\d{1,20}"))
UNSEEN = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and the like
    rb"|\x1b[\]PX^_][^\x07\x1b]{0,512}(?:\x07|\x1b\\)?"  # titles and other strings
    rb"|\x1b[ -/]*[0-~]?"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\r(?=\n)"
    rb"|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"  # further controls; marks that turn the line round
)
ALNUM = re.compile(rb"[0-9A-Za-z]")
SPACE = re.compile(rb"[ \t\r\n][^ \t\r\n]*\Z")


class OutputWindow(NamedTuple):
    """Bytes of an output from `offset` on; `open_end`: the output ends there now, and may go on."""

    offset: int
    data: bytes
    open_end: bool


class TextPiece(NamedTuple):
    """Text of an output, and the offset at which the next piece begins."""

    text: str
    next_offset: int


class TextPart(NamedTuple):
    """Text of some bytes of an output, and how many these are."""

    size: int
    text: str


def text_of(window: OutputWindow, begin: int, limit: int) -> TextPiece:
    """Return the text of at most `limit` bytes from the offset `begin` on, which lies in the window.

    While the output may go on, its last word is left for the next piece: it may be the beginning of a secret.
    """
    start = begin - window.offset
    stop = _stop(window, start, min(start + limit, len(window.data)))
    return TextPiece("".join(_texts(window, start, [stop])), window.offset + stop)


def parts_of(window: OutputWindow, begin: int) -> list[TextPart]:
    """Return the same text to the end of the window, in parts of whole lines."""
    start = begin - window.offset
    stop = _stop(window, start, len(window.data))
    stops, line = [], start
    while line := window.data.find(b"\n", line + LEAST_PART, stop) + 1:
        stops.append(line)
    stops = [*stops, stop] if stops[-1:] != [stop] else stops
    sizes = [end - begin for begin, end in pairwise((start, *stops))]
    return [TextPart(size, text) for size, text in zip(sizes, _texts(window, start, stops), strict=True)]


def _texts(window: OutputWindow, start: int, stops: Iterable[int]) -> Iterator[str]:
    """Yield the text from a place to the first of some others, from there to the second, and so on."""
    seen, gone = _without(window.data)
    first = _moved(gone, start)
    spans = sorted((*secret_spans(seen), *_cut_words(seen)))
    if window.offset and (rest := _rest_of_run(seen, first)):
        spans.insert(0, (first, rest))
    for stop in stops:
        last = _moved(gone, stop)
        yield _masked(seen, spans, first, last).decode(errors="replace").replace("\r", "\n")
        first = last


def _cut_words(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the words before lines that say that something is left out: they may be beginnings of secrets."""
    for line in LEFT_OUT_LINE.finditer(data):
        begin = len(data[: line.start()].rstrip(VALUE_BYTES))
        if begin < line.start():
            yield begin, line.start()


def _rest_of_run(data: bytes, first: int) -> int:
    """Return where a run ends that goes on from before the window into a piece; 0 if none does.

    A run without any letter or digit, such as the dots of a progress bar, is no secret.
    """
    end = len(data[: rest_of_word(data)].rstrip()) if first == 0 else len(data) - len(data.lstrip(VALUE_BYTES))
    return end if end > first and (first == 0 or ALNUM.search(data, 0, first)) else 0


def _stop(window: OutputWindow, start: int, stop: int) -> int:
    data = window.data
    if window.open_end and (word := SPACE.search(data, max(start, len(data) - LONGEST_WORD - 1))):
        stop = min(stop, word.start() + 1)
    elif window.open_end and len(data) - start <= LONGEST_WORD:
        stop = start
    elif window.open_end:
        stop = max(start, min(stop, _unfinished(data)))
    if stop < len(data):
        for _ in range(3):  # not within a character
            if stop > start and data[stop] & 0xC0 == 0x80:
                stop -= 1
    return max(start, stop)


def _unfinished(data: bytes) -> int:
    """Return where the end of some bytes without a blank begins that may be the beginning of a secret."""
    for secret_bytes in (VALUE_BYTES, TOKEN_BYTES):
        begin = len(data.rstrip(secret_bytes))
        if len(data) - begin <= LONGEST_WORD:
            return begin
    return len(data)


def _without(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Return the bytes that are seen, and where the others were."""
    gone = [match.span() for match in UNSEEN.finditer(data)]
    return (UNSEEN.sub(b"", data) if gone else data), gone


def _moved(gone: list[tuple[int, int]], place: int) -> int:
    """Return where a place of the window is when what is not seen is gone."""
    return place - sum(min(end, place) - begin for begin, end in gone[: bisect_left(gone, (place, place))])


def _masked(data: bytes, spans: Iterable[tuple[int, int]], first: int, last: int) -> bytes:
    """Return a part of some bytes, with a mask where a secret begins in it."""
    parts, at = [], first
    for begin, end in spans:
        if end <= at or begin >= last:
            continue
        parts.append(data[at : max(at, begin)])
        if begin >= at:
            parts.append(MASK.encode())
        at = max(at, min(end, last))
    return b"".join((*parts, data[at:last]))
