"""A client's connection: what has arrived of its request, and what it has not taken of its answer."""

import errno
import select
import socket
import time
from typing import Any

from django.conf import settings
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from moreh_cloud.web.arrival import Arrival, Arrived, Progress

SLOWEST = 16 * 1024  # bytes a second; who is slower for long is not waited for
PAUSE = 0.05  # seconds without another try, where an answer is written in many small pieces
MOST_UNSENT = 4 * 1024 * 1024  # bytes of an answer that wait for the client without a thread


class ClientSocket(socket.socket):
    """A socket on which answers are kept until the client takes them, so that no thread waits for it."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.unsent = bytearray()
        self._taken = 0
        self._stalled_at: float | None = None
        self._next_try = 0.0

    @property
    def deadline(self) -> float:
        """When the client must have taken more, on the monotonic clock."""
        assert self._stalled_at is not None
        return self._stalled_at + timeout(self._taken)

    def sendall(self, data: Any, _flags: int = 0) -> None:
        """Send, and keep what the client does not take now. Raises OSError when it is too slow for too much."""
        self.unsent += data
        if time.monotonic() >= self._next_try:
            self.flush()
        while len(self.unsent) > MOST_UNSENT:
            self._wait()
            self.flush()

    def flush(self) -> None:
        """Send what the client takes without waiting. Raises OSError."""
        while self.unsent:
            try:
                with memoryview(self.unsent) as view:
                    sent = self.send(view, socket.MSG_DONTWAIT)
            except BlockingIOError:
                now = time.monotonic()
                self._stalled_at, self._next_try = self._stalled_at or now, now + PAUSE
                return
            self._taken += sent
            del self.unsent[:sent]
        self._taken, self._stalled_at, self._next_try = 0, None, 0.0

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        if not poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
            raise BrokenPipeError(errno.EPIPE, "The client takes its answer too slowly.")


class Connection(TConn):
    """A connection as gunicorn's threads take it; its requests are read before by the worker's main loop."""

    def __init__(self, cfg: Any, accepted: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, ClientSocket(accepted), client, server)
        self.initialized = self.data_ready = True  # gunicorn's threads need not wait for anything
        self.arrival = Arrival()
        self.watched = False
        self.keep = True
        self.deadline = time.monotonic() + timeout()
        self._head_at: float | None = None
        self._continued = False

    @property
    def held(self) -> int:
        """Bytes of memory that are kept for this client."""
        return len(self.arrival.data) + len(self.sock.unsent)

    def receive(self, data: bytes) -> Progress:
        """Take bytes that came in; return how far the request has arrived."""
        now = time.monotonic()
        if not self.arrival.data:
            self.deadline = now + timeout()
        self.arrival.data += data
        progress = self.arrival.progress()
        if self.arrival.head:
            self._head_at = self._head_at or now
            self.deadline = self._head_at + timeout(len(self.arrival.data) - self.arrival.head)
        if progress is Progress.PARTIAL and self.arrival.awaits_continue and not self._continued:
            self._continued = True
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return progress

    def begin(self) -> None:
        """Parse the request that has arrived with gunicorn's parser."""
        self.parser = RequestParser(self.cfg, (), self.client)
        self.parser.unreader = Arrived(self.arrival.data)

    def await_next(self) -> None:
        """Drop the request that was answered; the bytes behind it belong to the next one."""
        self.arrival = Arrival(self.parser.unreader.rest())
        self.parser, self._head_at, self._continued = None, None, False
        self.deadline = time.monotonic() + (timeout() if self.arrival.data else self.cfg.keepalive)


def timeout(amount: int = 0) -> float:
    """Return how many seconds a client has for so many bytes."""
    return float(settings.MOREH_REQUEST_TIMEOUT.total_seconds() + amount / SLOWEST)
