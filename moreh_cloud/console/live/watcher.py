"""One thread of a web process looks for changes on behalf of all its streams, while there are any."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread

import structlog
from django.db import DatabaseError, connections

from moreh_cloud.console.live.topics import Pulse

LOOK_EVERY_S = 1.0
log = structlog.get_logger(__name__)


class Watcher:
    """Read the pulse once a second for any number of streams; without a stream it rests and holds no connection."""

    def __init__(self, read: Callable[[], Pulse], most: int) -> None:
        self._read = read
        self._most = most
        self._news = Condition()
        self._streams = 0
        self._pulse: Pulse = {}
        self._number = 0
        self._thread: Thread | None = None
        self._serving: Callable[[], bool] = lambda: True
        self._stopped = False

    def serve_while(self, serving: Callable[[], bool]) -> None:
        """End every stream within a second after `serving` has become false."""
        self._serving = serving

    @contextmanager
    def subscribed(self) -> Iterator[bool]:
        """Count in a stream while it lasts; False when this process has no room for another."""
        with self._news:
            room = self._streams < self._most and not self._stopped
            self._streams += room
            if room and self._thread is None:
                self._thread = Thread(target=self._look, name="live", daemon=True)
                self._thread.start()
        try:
            yield room
        finally:
            with self._news:
                self._streams -= room
                self._news.notify_all()

    def after(self, number: int, patience_s: float) -> tuple[int, Pulse] | None:
        """Wait for a pulse later than a number; the latest one when nothing changes in time, None when all stops."""
        with self._news:
            self._news.wait_for(lambda: self._stopped or self._number > number, patience_s)
            return None if self._stopped else (self._number, self._pulse)

    def stop(self) -> None:
        """End every stream: their process is about to end."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _look(self) -> None:
        try:
            while self._wanted():
                self._tell(self._seen())
        finally:
            connections.close_all()

    def _wanted(self) -> bool:
        with self._news:
            if self._number:
                self._news.wait_for(lambda: self._stopped or not self._streams, LOOK_EVERY_S)
            self._stopped = self._stopped or not self._serving()
            if self._streams and not self._stopped:
                return True
            self._news.notify_all()
            self._thread, self._number = None, 0
            return False

    def _seen(self) -> Pulse:
        """Read the pulse; a database that is away for a while only means no news."""
        try:
            return self._read()
        except DatabaseError as error:
            log.warning("pulse_unread", error=type(error).__name__)
            connections.close_all()
            return self._pulse

    def _tell(self, pulse: Pulse) -> None:
        with self._news:
            if pulse != self._pulse or not self._number:
                self._pulse = pulse
                self._number += 1
                self._news.notify_all()
