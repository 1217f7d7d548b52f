"""What clients send in halves, slowly or never, and what they never read, costs nobody else anything."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.moreh_cloud.web.application import LARGE
from tests.moreh_cloud.web.server import REQUEST_TIMEOUT, Server, read_all, read_until, serving

pytestmark = [pytest.mark.slow, pytest.mark.only_sqlite]
HALF_BODY = b'POST /api/v2/auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"id":'
HALF_CHUNKS = b"POST /api/v2/auth/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{"
HALF_HEAD = b"GET /x HTTP/1.1\r\nHost: a\r\nX"
CLOSE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ASK = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"
CROWDS = {
    "half bodies": HALF_BODY,
    "half chunks": HALF_CHUNKS,
    "half heads": HALF_HEAD,
    "silent connections": b"",
    "clients that keep a closed connection open": CLOSE,
    "clients that do not read an answer": ASK.format("/large").encode(),
}
PROMPT = 8.0  # seconds, on a machine that does other things too


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run gunicorn for all tests here."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "static").mkdir()
    with serving(folder) as running:
        running.get("/api/check?type=api")  # the first request loads modules
        yield running


def taken(server: Server, path: str) -> float:
    begun = time.monotonic()
    assert server.get(path)[0] == 200
    return time.monotonic() - begun


@pytest.mark.parametrize("number", [8, 56, 130])
@pytest.mark.parametrize("crowd", CROWDS)
def test_others_are_served(server: Server, crowd: str, number: int) -> None:
    with server.crowd(number, CROWDS[crowd], buffer=4096):
        assert max(taken(server, "/api/check?type=api"), taken(server, "/livez")) < PROMPT


def test_more_connections_than_there_may_be_close_others_and_keep_nobody_out(server: Server) -> None:
    with server.crowd(700, HALF_HEAD) as clients:
        assert max(taken(server, "/api/check?type=api"), taken(server, "/livez")) < PROMPT
        assert clients[0].recv(100) == b""


@pytest.mark.parametrize("half", [HALF_BODY, HALF_CHUNKS, HALF_HEAD])
def test_half_a_request_ends_after_a_few_seconds(server: Server, half: bytes) -> None:
    begun = time.monotonic()
    with server.open(half) as client:
        assert read_all(client).startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")
    assert REQUEST_TIMEOUT - 0.5 < time.monotonic() - begun < REQUEST_TIMEOUT + PROMPT


def test_a_body_that_drips_ends_as_well(server: Server) -> None:
    begun = time.monotonic()
    with server.open(HALF_BODY) as client:
        client.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - begun < 15:
            client.sendall(b" ")
            try:
                answer = client.recv(100)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun < REQUEST_TIMEOUT + PROMPT


def test_a_silent_connection_ends_without_a_word(server: Server) -> None:
    with server.open() as client:
        assert read_all(client) == b""


def test_probes_are_answered_while_every_thread_works(server: Server) -> None:
    with server.crowd(130, ASK.format("/sleep").encode()):
        time.sleep(0.3)
        assert taken(server, "/livez") < PROMPT
    assert server.get("/api/check?type=api", timeout=100)[0] == 200  # the other tests find the threads free


def test_a_body_in_pieces_is_read_as_one(server: Server) -> None:
    with server.open(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n") as client:
        for _piece in range(3):
            client.sendall(b"y" * 100_000)
            time.sleep(0.05)
        client.shutdown(1)
        assert read_all(client).endswith(b"\r\n\r\n" + b"y" * 300_000)


def test_a_chunked_body_is_read_as_one(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.open(head) as client:
        for piece in (b"3\r\nabc\r\n", b"4;x\r\ndefg", b"\r\n0\r\n", b"X: 1\r\n\r\n"):
            client.sendall(piece)
            time.sleep(0.02)
        assert read_all(client).endswith(b"\r\n\r\nabcdefg")


FRAMINGS = {
    "a length with leading zeros": (f"Content-Length: {3:0>30}", [b"a", b"bc"]),
    "codings before chunked": ("Transfer-Encoding: gzip, chunked", [b"3\r\nabc\r\n", b"0\r\n\r\n"]),
    "a header for each coding": (
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        [b"3\r\nabc\r\n", b"0\r\n\r\n"],
    ),
}


@pytest.mark.parametrize("case", FRAMINGS)
def test_the_time_at_which_a_body_arrives_changes_nothing(server: Server, case: str) -> None:
    framing, pieces = FRAMINGS[case]
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n".encode()
    with server.open(head + b"".join(pieces)) as client:
        at_once = read_all(client)
    with server.open(head) as client:
        for piece in pieces:
            time.sleep(0.1)
            client.sendall(piece)
        later = read_all(client)
    assert [answer.endswith(b"\r\n\r\nabc") for answer in (at_once, later)] == [True, True]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on_once(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n"
    with server.open(head + b"Expect: 100-continue\r\n\r\n") as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nabc")


def test_requests_behind_each_other_are_answered_in_order(server: Server) -> None:
    post = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n%s"
    unread = b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n%s"
    with server.open(post % b"one" + unread % b"two" + post % b"thr" + post % b"f") as client:
        time.sleep(0.2)
        client.sendall(b"or" + CLOSE)
        answer = read_all(client)
    assert [answer.find(word) >= 0 for word in (b"one", b"two", b"thr", b"for")] == [True, False, True, True]
    assert answer.find(b"one") < answer.find(b"thr") < answer.find(b"for")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"403", b"200", b"200", b"200"]


REFUSED = {
    "a body that is too large": (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
    "a head that is too large": (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    "a line without a carriage return": (b"GET / HTTP/1.0\n\n", 400),
    "a chunk without a size": (HALF_CHUNKS.replace(b"400", b"zz") + b"\r\n", 400),
    "two lengths": (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_too_large_or_malformed_is_refused_and_not_waited_for(server: Server, case: str) -> None:
    data, status = REFUSED[case]
    with server.open(data) as client:  # what is waited for ends with 408
        assert read_all(client).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("path", ["/large", "/pieces"])
def test_a_large_answer_reaches_a_slow_reader_whole(server: Server, path: str) -> None:
    with server.open(
        ASK.format(path).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode(), buffer=4096
    ) as client:
        time.sleep(0.5)
        answer = read_all(client)
    assert len(answer.partition(b"\r\n\r\n")[2]) == LARGE


def test_a_proxy_that_comes_over_an_ipv6_socket_is_known_by_its_ipv4_address(server: Server) -> None:
    head = b"GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\r\n"
    with server.open(head) as client:
        assert read_all(client).endswith(b"\r\n\r\n127.0.0.1 https")


def test_streams_and_requests_go_on_beside_each_other(server: Server) -> None:
    with server.crowd(48, ASK.format("/stream").encode()) as streams:
        assert all(read_until(stream, b"event: pulse") for stream in streams)
        assert json.loads(server.get("/api/check?type=api")[1])["api"]["status"] == "ok"


def test_a_killed_master_frees_its_port_and_the_next_one_comes_up_and_ends_in_order(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    first = Server(tmp_path, services.free_port())
    second = None
    try:
        first.await_up()
        with first.open(ASK.format("/stream").encode()) as stream, first.open(HALF_BODY):
            assert read_until(stream, b"event: pulse")
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            begun = time.monotonic()
            second = Server(tmp_path, first.port)
            assert read_all(stream)[-5:] in (b"0\r\n\r\n", b"")
            assert time.monotonic() - begun < PROMPT
            second.await_up()
        with second.open(ASK.format("/sleep").encode()) as client:
            time.sleep(0.3)
            second.process.terminate()
            assert read_all(client).endswith(b"\r\n\r\nawake")
        assert second.process.wait(10) == 0
    finally:
        for one in (first, second):
            if one is not None and one.process.poll() is None:
                one.process.terminate()
                one.process.wait(10)
