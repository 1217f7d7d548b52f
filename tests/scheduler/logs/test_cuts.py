"""No part of a secret is shown where an output is cut: by a flush, a tail, a rotation, or what a keeper leaves out."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from protocol.v1 import agents_pb2 as pb
from scheduler.choices import LogProblem
from scheduler.logs.reading import _log, _log_of_piece
from scheduler.logs.tails import Tail, _row
from scheduler.logs.text import AROUND, LONGEST_WORD, OutputWindow, text_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TOKEN = "aB3" + "x7Q_" * 10
WORKER = cast("Any", SimpleNamespace(pk=1))
JSON_LINE = b'{"a":"' + b"x." * 300 + b'","k":"' + TOKEN.encode() + b'"}\n'


def read(output: bytes, limit: int, *ends: int, running: bool = True) -> str:
    """Read an output in pieces as the server does, while it has grown to each of `ends` and to its end."""
    at, text = 0, ""
    for end in (*ends, len(output)):
        while True:
            begin = max(0, at - AROUND)
            data = output[begin : min(end, at + limit + AROUND)]
            last = begin + len(data) == end
            piece, following = text_of(OutputWindow(begin, data, running and last), at, limit)
            text += piece
            if following == at:
                break
            at = following
    return text


@pytest.mark.parametrize("shown", range(1, 43, 6))
def test_a_long_line_without_a_blank_is_flushed_before_a_secret(shown: int) -> None:
    flushed = JSON_LINE.index(TOKEN.encode()) + shown
    assert read(JSON_LINE, 30_000, flushed) == JSON_LINE.decode().replace(TOKEN, "***")
    run = b"x." * 300 + b"="
    assert read(run + TOKEN.encode() + b"\n", 30_000, len(run) + shown) == run.decode() + "***\n"


def test_a_run_that_cannot_be_a_token_is_waited_for_no_longer() -> None:
    run = b"y" * (LONGEST_WORD + 1)
    assert text_of(OutputWindow(0, b'"' + run, open_end=True), 0, 1000).text == '"' + run.decode()


@pytest.mark.parametrize("limit", [64, 1000, 30_000])
def test_a_value_that_is_longer_than_what_is_read_around_it_is_masked_to_its_end(limit: int) -> None:
    output = b"x " * 50 + b"password=" + b"0123456789abcdef" * 200 + b" done\n"
    text = read(output, limit, running=False)
    assert (text[:112], text.replace("***", "")) == ("x " * 50 + "password=***", "x " * 50 + "password= done\n")


def test_dots_of_a_progress_bar_are_no_secret() -> None:
    output = b"." * 5000 + b" done\n"
    assert read(output, 1000, running=False) == output.decode()


def test_a_tail_that_begins_within_a_secret_leaves_its_rest_out() -> None:
    long = f'{TOKEN[1:]}",'.encode() + b'"x":' * 500 + b'"y"}\n'
    for offset, data, start, text in (
        (100, long, 142, '",' + '"x":' * 500 + '"y"}\n'),
        (100, f"{TOKEN[9:]} after\n".encode(), 135, "after\n"),
        (100, b"x" * 50, 150, ""),
        (0, b"all of it\n", 0, "all of it\n"),
    ):
        row = _row(Tail(1, 7, offset, data, running=False), NOW)
        assert (row.start, row.text, row.end) == (start, text, offset + len(data))


def test_a_kept_tail_goes_on_where_a_reader_stopped_or_says_what_is_missing() -> None:
    lines = [f"{number:0299}\n" for number in range(3)]
    masked = f"password={'x' * 290}\n"
    row = _row(Tail(1, 7, 1000, ("cut " + lines[0] + masked + lines[1] + "end").encode(), running=False), NOW)
    shown = [lines[0], "password=***\n", lines[1], "end"]
    assert (row.start, row.parts, row.end) == (1004, [(300, 300), (300, 13), (300, 300), (3, 3)], 1907)
    for position, offset, text in (
        (0, 1004, "".join(shown)),
        (1004, 1004, "".join(shown)),
        (1104, 1104, lines[0][100:] + "".join(shown[1:])),
        (1304, 1304, "".join(shown[1:])),
        (1305, 1604, "".join(shown[2:])),
        (1905, 1905, "nd"),
    ):
        log = _log(WORKER, LogProblem.NODE_AWAY, position, 1000, row)
        assert (log.offset, log.text, log.missing) == (offset, text, offset - position)
        assert (log.next_offset, log.kept_at, log.problem) == (1907, NOW, LogProblem.NODE_AWAY)
    last = _log(WORKER, LogProblem.NODE_AWAY, None, 1000, row)
    assert (last.text, last.offset, last.missing) == ("".join(shown), 1004, 0)
    assert _log(WORKER, LogProblem.NODE_AWAY, 1907, 1000, row).text == ""


def test_what_is_left_after_a_rotation_begins_with_a_whole_word() -> None:
    data = TOKEN[1:].encode() + b" line\n"
    piece = pb.LogPiece(offset=1000, data=data, first=1000, end=1000 + len(data))
    for position, offset, missing, text in ((0, 1043, 1043, "line\n"), (None, 1043, 0, "line\n")):
        log = _log_of_piece(WORKER, piece, position, 3000)
        assert (log.offset, log.missing, log.text, log.next_offset) == (offset, missing, text, 1048)
    assert _log_of_piece(WORKER, piece, 1000, 3000).text == "*** line\n"
    assert _log_of_piece(WORKER, piece, 1007, 3000).text == "*** line\n"


def test_the_beginning_of_a_secret_before_what_is_left_out_is_masked() -> None:
    note = "\n[moreh-agent: 38 bytes are left out here]\n"
    text = text_of(OutputWindow(0, f"use {TOKEN[:40]}{note}first\n{note}".encode(), open_end=False), 0, 1000).text
    assert text == f"use ***{note}first\n{note}"
