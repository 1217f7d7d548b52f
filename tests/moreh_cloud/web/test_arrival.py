"""When a request has arrived, whatever the pieces it comes in."""

import errno

import pytest

from moreh_cloud.web.arrival import MOST_BODY, MOST_CHUNKS, MOST_HEAD, MOST_LINE, Arrival, Arrived, Progress

GET = b"GET /livez?a=1 HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
PARTIAL, COMPLETE = Progress.PARTIAL, Progress.COMPLETE
CASES = {
    "nothing": (b"", PARTIAL),
    "half a head": (GET, PARTIAL),
    "a head without a body": (GET + b"\r\n", COMPLETE),
    "a head that ends in the middle of its last line": (GET + b"\r", PARTIAL),
    "no body where there could be one": (POST + b"Content-Length: 4\r\n\r\n", PARTIAL),
    "half a body": (POST + b"Content-Length: 4\r\n\r\nabc", PARTIAL),
    "a whole body": (POST + b"content-length:4\r\n\r\nabcd", COMPLETE),
    "a body and the next request": (POST + b"Content-Length: 4\r\n\r\nabcd" + GET, COMPLETE),
    "an empty body": (POST + b"Content-Length: 0\r\n\r\n", COMPLETE),
    "a body of the largest size": (POST + b"Content-Length: %d\r\n\r\n" % MOST_BODY, PARTIAL),
    "a body that is announced too large": (
        POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1),
        Progress.BODY_TOO_LARGE,
    ),
    "a length of 5,000 digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", Progress.BODY_TOO_LARGE),
    "a head that does not end": (GET + b"X: " + b"x" * MOST_HEAD, Progress.HEAD_TOO_LARGE),
    "chunks before the last": (CHUNKED + b"4\r\nabcd\r\n", PARTIAL),
    "a chunk's size in the middle": (CHUNKED + b"4\r\nabcd\r\n1", PARTIAL),
    "chunks with the last, before its end": (CHUNKED + b"4\r\nabcd\r\n0\r\n", PARTIAL),
    "chunks behind another coding": (POST + b"Transfer-Encoding: gzip, Chunked\r\n\r\n4\r\nabcd\r\n", PARTIAL),
    "a length with many zeros before it": (POST + b"Content-Length: %030d\r\n\r\nabc" % 4, PARTIAL),
    "a length of zeros": (POST + b"Content-Length: 000\r\n\r\n", COMPLETE),
    "chunks with their end": (CHUNKED + b"4\r\nabcd\r\n0\r\n\r\n", COMPLETE),
    "chunks with extensions and trailers": (CHUNKED + b"A;x=y\r\n0123456789\r\n0;z\r\nX: 1\r\n\r\n", COMPLETE),
    "as many chunks as there may be": (CHUNKED + b"1\r\nx\r\n" * (MOST_CHUNKS - 1) + b"0\r\n\r\n", COMPLETE),
    "more chunks": (CHUNKED + b"1\r\nx\r\n" * MOST_CHUNKS + b"0\r\n\r\n", Progress.BODY_TOO_LARGE),
    "a chunk that is announced too large": (CHUNKED + b"%x\r\n" % (MOST_BODY + 1), Progress.BODY_TOO_LARGE),
    "a chunk's size of 5,000 digits": (CHUNKED + b"f" * 5000 + b"\r\n", Progress.BODY_TOO_LARGE),
    "trailers in the middle": (CHUNKED + b"0\r\nX: 1\r\n", PARTIAL),
    # What is malformed is for gunicorn to refuse, at once.
    "a line that ends without a carriage return": (b"GET / HTTP/1.0\n", COMPLETE),
    "two lengths": (POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n", COMPLETE),
    "a length that is no number": (POST + b"Content-Length: +4\r\n\r\n", COMPLETE),
    "a length beside chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", COMPLETE),
    "a coding that is not chunked": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", COMPLETE),
    "a chunk's size that is no number": (CHUNKED + b"-1\r\n", COMPLETE),
    "a chunk's size that does not end": (CHUNKED + b"1;" + b"x" * MOST_LINE, COMPLETE),
    "trailers that do not end": (CHUNKED + b"0\r\nX: " + b"x" * MOST_HEAD, COMPLETE),
}


@pytest.mark.parametrize("case", CASES)
def test_progress_at_once(case: str) -> None:
    data, progress = CASES[case]
    assert Arrival(data).progress() is progress


@pytest.mark.parametrize("case", [case for case in CASES if len(CASES[case][0]) < 200])
def test_progress_byte_by_byte(case: str) -> None:
    data, progress = CASES[case]
    arrival = Arrival()
    seen = []
    for number in range(len(data)):
        arrival.data += data[number : number + 1]
        seen.append(arrival.progress())
    assert ([PARTIAL, *seen])[-1] is progress
    assert all(one is PARTIAL for one in seen[:-1]) or progress is COMPLETE


def test_a_target_is_known_of_get_and_head_only() -> None:
    assert [Arrival(one).target for one in (GET, b"HEAD /readyz HTTP/1.1\r\n", POST, b"")] == [
        "/livez",
        "/readyz",
        "",
        "",
    ]


def test_a_client_that_asks_before_it_sends_is_known_once_its_head_is_there() -> None:
    arrival = Arrival(POST + b"Content-Length: 4\r\nExpect: 100-Continue\r\n")
    assert (arrival.progress(), arrival.awaits_continue) == (PARTIAL, False)
    arrival.data += b"\r\n"
    assert (arrival.progress(), arrival.awaits_continue) == (PARTIAL, True)


def test_a_malformed_request_that_has_no_more_bytes_counts_as_a_client_that_is_gone() -> None:
    with pytest.raises(ConnectionResetError) as caught:
        Arrived(bytearray()).chunk()
    assert caught.value.errno == errno.ECONNRESET  # any other is an error with a traceback in gunicorn's log
