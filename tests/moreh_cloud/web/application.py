"""The product's own application without its database; /stream is a live page's stream that anybody may open."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from moreh_cloud.wsgi import application as product

LARGE = 5 * 1024 * 1024  # bytes: more than a client's connection takes before anybody reads
BODY = b"x" * LARGE


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer what the tests need besides the product's pages."""
    if page := PAGES.get(environ["PATH_INFO"]):
        return _answer(start_response, page(environ))
    if environ["PATH_INFO"] == "/stream":
        return _stream(start_response)
    return product(environ, start_response)


def _sleep(_environ: dict[str, Any]) -> list[bytes]:
    time.sleep(1)
    return [b"awake"]


PAGES: dict[str, Callable[[dict[str, Any]], list[bytes]]] = {
    "/echo": lambda environ: [environ["wsgi.input"].read()],
    "/large": lambda _environ: [BODY],
    "/pieces": lambda _environ: [b"x" * 4096] * (LARGE // 4096),
    "/peer": lambda environ: [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()],
    "/sleep": _sleep,
}


def _answer(start_response: Callable[..., Any], parts: list[bytes]) -> list[bytes]:
    length = str(sum(map(len, parts)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    return parts


def _stream(start_response: Callable[..., Any]) -> Iterable[bytes]:
    from console.live import views

    views.watcher._read = dict
    frames = views._frames()
    next(frames)
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return frames
