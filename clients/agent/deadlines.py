"""Calls into libraries that may hang: one thread at most hangs with them, never the event loop."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlineThread:
    """Carries out calls one after the other in one daemon thread, each awaited for a limited time.

    A call that hangs keeps the thread; the calls after it fail at their own deadlines and are never begun, so that no
    second thread can hang. A daemon thread does not stop the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = queue.SimpleQueue()
        self._running: asyncio.Future[Any] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def call(self, work: Callable[[], T], timeout: float) -> T:
        """Return the result of a call, or raise its error. Raises TimeoutError after `timeout` seconds."""
        if not self._thread.ident:
            self._thread.start()
        async with asyncio.timeout(timeout):
            while self._running is not None and not self._running.done():
                await asyncio.wait({self._running})
            self._running = running = asyncio.get_running_loop().create_future()
            running.add_done_callback(_retrieved)
            self._work.put((work, running))
            result: T = await asyncio.shield(running)
            return result

    def _run(self) -> None:
        while True:
            work, running = self._work.get()
            result, error = None, None
            try:
                result = work()
            except Exception as caught:
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop is closed
                running.get_loop().call_soon_threadsafe(_settle, running, result, error)


def _settle(running: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if running.done():
        return
    if error:
        running.set_exception(error)
    else:
        running.set_result(result)


def _retrieved(running: "asyncio.Future[Any]") -> None:
    """Mark the error of a call as seen, for nobody waits any more after a time-out."""
    if not running.cancelled():
        running.exception()
