"""Gunicorn's threaded worker, whose threads see only whole requests and never wait for a client.

The main loop reads requests and sends what clients have not taken yet, each with a deadline. Half a request, a slow
body or a slow reader costs a connection and some memory. Of both there is a fixed amount: what is nearest to its
deadline, or holds most, is closed for new ones.
"""

import errno
import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from core.addresses import plain_address
from moreh_cloud.middleware.request_limiter import PROBES
from moreh_cloud.web.arrival import Progress
from moreh_cloud.web.connection import Connection

MOST_HELD = 64 * 1024 * 1024  # bytes of requests and answers of all clients
SMALL = 64 * 1024  # bytes; closing such a connection frees nothing
READ = 64 * 1024  # bytes at a time
LOOK = 0.25  # seconds between two looks at the deadlines
LINGER = 2.0  # seconds in which a client reads what was sent before the connection closes
ORPHAN_TIMEOUT = 2  # seconds for requests of a worker whose master is gone
FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
TIMED_OUT = "408 Request Timeout"
REFUSALS = {
    Progress.HEAD_TOO_LARGE: "431 Request Header Fields Too Large",
    Progress.BODY_TOO_LARGE: "413 Content Too Large",
}


class BufferingWorker(ThreadWorker):
    """Hand over a request when it is complete; send its answer when the client takes it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cfg.set("sendfile", False)  # it would pass by what is kept for the client
        self._connections: set[Connection] = set()
        self._probes = {path: ThreadPoolExecutor(1, thread_name_prefix=path) for path in PROBES}
        self._next_look = 0.0

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; when there are too many, one that is waited for is closed."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in FULL:
                self._close_nearest_to_deadline()
                time.sleep(LOOK / 10)  # nobody waits: all are at work
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._close_nearest_to_deadline()
        if isinstance(client, tuple):  # as FORWARDED_ALLOW_IPS and everybody else names it
            client = (plain_address(client[0]), *client[1:])
        connection = Connection(self.cfg, accepted, client, listener.getsockname())
        self._connections.add(connection)
        self._watch(connection, selectors.EVENT_READ, self._receive)

    def enqueue_req(self, connection: Connection) -> None:
        """Hand a request to the threads; probes have threads of their own."""
        pool: Any = self._probes.get(connection.arrival.target, self.tpool)
        handled = pool.submit(self.handle, connection)
        handled.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, connection, done))

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Handle a request. `100 Continue` was sent before, where the client expected it."""
        req._expected_100_continue = False
        return super().handle_request(req, conn)

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """Send what is left of the answer, then read the next request or close."""
        if fs.cancelled() or fs.exception():
            return self._drop(conn)
        conn.keep = bool(fs.result())
        return self._send(conn)

    def murder_pending(self) -> None:
        """End what is late, and what holds most when all together hold too much."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        for connection in self._waiting():
            if connection.deadline <= now:
                self._end_late(connection)
        while self._held() > MOST_HELD and (waiting := self._waiting()):
            largest = max(waiting, key=lambda one: one.held)
            if largest.held < SMALL:
                return
            self._drop(largest)

    def murder_keepalived(self, force: bool = False) -> None:
        """End all that wait, when the worker ends."""
        if force:
            for connection in self._waiting():
                self._drop(connection)

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for requests: the worker ends."""
        for connection in self._waiting():
            if not connection.sock.unsent:
                connection.deadline = min(connection.deadline, deadline)

    def is_parent_alive(self) -> bool:
        """Whether the master lives; without it, free its port at once for the next one, and end."""
        if super().is_parent_alive():
            return True
        self.alive = False
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        self.cfg.set("graceful_timeout", ORPHAN_TIMEOUT)
        return False

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ, socket.MSG_DONTWAIT)
            progress = connection.receive(data) if data else None
        except BlockingIOError:
            return
        except OSError:
            progress = None
        if progress is None:  # a client that is gone, perhaps in the middle
            self._drop(connection)
        else:
            self._go_on(connection, progress)

    def _go_on(self, connection: Connection, progress: Progress) -> None:
        if progress is Progress.COMPLETE:
            self._unwatch(connection)
            connection.begin()
            self.enqueue_req(connection)
        elif progress is Progress.PARTIAL:
            self._watch(connection, selectors.EVENT_READ, self._receive)
        else:
            self._refuse(connection, REFUSALS[progress])

    def _refuse(self, connection: Connection, status: str) -> None:
        connection.keep = False
        words = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        connection.sock.unsent += words.encode()
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        """Send as much as the client takes; go on when it has taken all."""
        try:
            connection.sock.flush()
        except OSError:
            return self._drop(connection)
        if connection.sock.unsent:
            connection.deadline = connection.sock.deadline
            return self._watch(connection, selectors.EVENT_WRITE, self._send)
        if not connection.keep:
            return self._linger(connection)
        connection.await_next()
        if not self.alive:
            connection.deadline = min(connection.deadline, time.monotonic() + STOP_KEEPALIVE_LINGER)
        return self._go_on(connection, connection.arrival.progress())

    def _linger(self, connection: Connection) -> None:
        """Close the sending side, so that the client reads the answer before the connection closes (RFC 9112, 9.6)."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return self._drop(connection)
        connection.arrival.data = bytearray()
        connection.deadline = time.monotonic() + LINGER
        return self._watch(connection, selectors.EVENT_READ, self._discard)

    def _discard(self, connection: Connection) -> None:
        try:
            gone = not connection.sock.recv(READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._drop(connection)

    def _end_late(self, connection: Connection) -> None:
        if connection.arrival.data and not connection.sock.unsent:
            self._refuse(connection, TIMED_OUT)
        else:
            self._drop(connection)

    def _close_nearest_to_deadline(self) -> None:
        if waiting := self._waiting():
            self._drop(min(waiting, key=lambda one: one.deadline))

    def _waiting(self) -> list[Connection]:
        return [connection for connection in self._connections if connection.watched]

    def _held(self) -> int:
        return sum(connection.held for connection in self._connections)

    def _watch(self, connection: Connection, events: int, ready: Any) -> None:
        change = self.poller.modify if connection.watched else self.poller.register
        # Who was closed for another one may still be among the events that were found together.
        change(connection.sock, events, lambda _sock: ready(connection) if connection.watched else None)
        connection.watched = True

    def _unwatch(self, connection: Connection) -> None:
        if connection.watched:
            self.poller.unregister(connection.sock)
            connection.watched = False

    def _drop(self, connection: Connection) -> None:
        self._unwatch(connection)
        self._connections.remove(connection)
        self.nr_conns -= 1
        connection.close()
