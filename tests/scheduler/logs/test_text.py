"""Text of what a worker wrote: secrets are masked wherever a piece begins or ends, and nothing else gets lost."""

import random

import pytest

from core.crypto import new_secret
from scheduler.logs.text import AROUND, LONGEST_WORD, OutputWindow, text_of

TOKEN = "aB3" + "x7Q_" * 10
PIECES = {
    "plain lines stay": (b"step 1\nstep 2\n", "step 1\nstep 2\n"),
    "a token": (f"use {TOKEN} now\n".encode(), "use *** now\n"),
    "a bearer": (b"Authorization: Bearer abcdefgh.ijk\n", "Authorization: Bearer ***\n"),
    "a login of a BMC": (b"ipmitool -H 10.0.0.1 password=hunter2 x\n", "ipmitool -H 10.0.0.1 password=*** x\n"),
    "a password of an address": (b"redis://:s3cret@host/0\n", "redis://:***@host/0\n"),
    "a token in colours": (f"\x1b[1m{TOKEN}\x1b[0m\n".encode(), "***\n"),
    "a token after Korean": (f"토큰{TOKEN} 끝\n".encode(), "토큰*** 끝\n"),
    "colours and titles": (b"\x1b[31mred\x1b[0m \x1b]0;title\x07ok\n", "red ok\n"),
    "a progress bar": (b" 10%\r 20%\r\ndone\n", " 10%\n 20%\ndone\n"),
    "control characters": (b"a\x00b\x08c\x7f\xc2\x9bd\xe2\x80\xaee\n", "abcde\n"),
    "bytes that are no text": (b"\xff\xfe ok \xec\x95\n", "\ufffd\ufffd ok \ufffd\n"),
    "markup is only text": (b"<script>alert(1)</script>\n", "<script>alert(1)</script>\n"),
}


@pytest.mark.parametrize("case", PIECES)
def test_bytes_become_text(case: str) -> None:
    data, text = PIECES[case]
    assert text_of(OutputWindow(0, data, open_end=True), 0, len(data)) == (text, len(data))


@pytest.mark.parametrize("seed", range(4))
def test_pieces_of_any_size_make_the_same_text_as_the_whole(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - makes test data
    words = [
        TOKEN,
        "Bearer " + new_secret(),
        "token=abc",
        "\x1b[32m",
        "한글",
        "x" * 60,
        "\r\n",
        "\n",
        "plain",
        "\x1b[0m",
    ]
    data = " ".join(chance.choice(words) for _ in range(600)).encode()
    whole = text_of(OutputWindow(0, data, open_end=False), 0, len(data))
    assert (TOKEN in whole.text, whole.next_offset) == (False, len(data))
    at, parts = 0, []
    while at < len(data):
        limit = chance.randint(4, 300)
        window = OutputWindow(max(0, at - AROUND), data[max(0, at - AROUND) : at + limit + AROUND], open_end=False)
        text, at = text_of(window, at, limit)
        parts.append(text)
    assert "".join(parts) == whole.text


def test_the_last_word_of_an_output_that_goes_on_is_left_for_later() -> None:
    half = f"first\nsecond {TOKEN[:20]}".encode()
    assert text_of(OutputWindow(0, half, open_end=True), 0, 1000) == ("first\nsecond ", 13)
    whole = f"first\nsecond {TOKEN}\n".encode()
    assert text_of(OutputWindow(0, whole, open_end=True), 13, 1000) == ("***\n", len(whole))
    assert text_of(OutputWindow(0, half, open_end=False), 0, 1000).next_offset == len(half)
    long = b"y" * (LONGEST_WORD + 1)
    assert text_of(OutputWindow(0, long, open_end=True), 0, 1000) == (long.decode(), len(long))
    assert text_of(OutputWindow(0, b"short", open_end=True), 0, 1000) == ("", 0)
