"""One thread of a web process looks for changes for all its streams, while there are streams."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread

from django.db import connections

from console.live.topics import Pulse
from core.outage_lines import OutageLine
from core.outages import DATABASE_ERRORS

READ_EVERY_S = 1.0


class Watcher:
    """Reads the pulse once a second for all streams. Without streams there is no thread and no connection."""

    def __init__(self, read: Callable[[], Pulse], most: int) -> None:
        self._read = read
        self._most = most
        self._outage = OutageLine("pulse_unread", "pulse_read")
        self._changed = Condition()
        self._streams = 0
        self._pulse: Pulse = {}
        self._number = 0
        self._thread: Thread | None = None
        self._serving: Callable[[], bool] = lambda: True
        self._stopped = False

    def serve_while(self, serving: Callable[[], bool]) -> None:
        """End every stream within a second after `serving()` has become false."""
        self._serving = serving

    @contextmanager
    def subscribed(self) -> Iterator[bool]:
        """Count a stream while it lasts. Yields False if this process has too many streams."""
        with self._changed:
            accepted = self._streams < self._most and not self._stopped
            self._streams += accepted
            if accepted and self._thread is None:
                self._thread = Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
        try:
            yield accepted
        finally:
            with self._changed:
                self._streams -= accepted
                self._changed.notify_all()

    def wait_after(self, number: int, timeout_s: float) -> tuple[int, Pulse] | None:
        """Return the first pulse after a number, or the latest one after the timeout; None when all streams end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._number > number, timeout_s)
            return None if self._stopped else (self._number, self._pulse)

    def stop(self) -> None:
        """End every stream, because the process ends."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._wait_for_next():
                self._publish(self._read_or_last())
        finally:
            connections.close_all()

    def _wait_for_next(self) -> bool:
        """Wait until the next read is due. Return False, and reset, if no stream is left or all streams end."""
        with self._changed:
            if self._number:
                self._changed.wait_for(lambda: self._stopped or not self._streams, READ_EVERY_S)
            self._stopped = self._stopped or not self._serving()
            if self._streams and not self._stopped:
                return True
            self._changed.notify_all()
            self._thread, self._number = None, 0
            return False

    def _read_or_last(self) -> Pulse:
        """Return the current pulse, or the last one while the database cannot be reached."""
        try:
            pulse = self._read()
        except DATABASE_ERRORS as error:
            self._outage.failed(error)
            connections.close_all()
            return self._pulse
        self._outage.works()
        return pulse

    def _publish(self, pulse: Pulse) -> None:
        with self._changed:
            if pulse != self._pulse or not self._number:
                self._pulse = pulse
                self._number += 1
                self._changed.notify_all()
