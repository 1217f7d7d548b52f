"""Batches of calls: those that arrive at the same time are carried out in one transaction."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from core.outages import is_outage
from core.rpc import in_own_thread

T = TypeVar("T")
R = TypeVar("R")
log = structlog.get_logger(__name__)
MOST, LARGE = 500, 50  # calls in one transaction at most; from LARGE on, the time of one call is measured

OF_ONE = {"55P03", "57014"}  # PostgreSQL waited too long for a lock that one of the calls needs


class Batches(Generic[T, R]):
    """Carries out calls by `work`, which returns for each its result, its error, or None if it must be done alone.

    Calls that arrive while a batch is written form the next one, so a call that arrives alone does not wait. Batches
    with the same `lock` are written one after the other.
    """

    def __init__(self, work: Callable[[list[T]], Sequence[R | Exception | None]], lock: asyncio.Lock) -> None:
        self._work = work
        self._lock = lock
        self._waiting: deque[tuple[T, asyncio.Future[R | None]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._cost = 0.0  # seconds of a call in a large batch

    def wait(self) -> float:
        """Return how many seconds a call that arrives now may have to wait, by the time of the last large batch."""
        return len(self._waiting) * self._cost

    async def do(self, call: T) -> R | None:
        """Return the result of a call, or None if it must be done alone. Raises its error."""
        done: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        try:
            while self._waiting:
                async with self._lock:
                    batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                    await self._carry_out([(call, done) for call, done in batch if not done.done()])
        finally:
            self._writer = None

    async def _carry_out(self, batch: list[tuple[T, "asyncio.Future[R | None]"]]) -> None:
        begun = time.monotonic()
        results: Sequence[R | Exception | None]
        try:
            results = await in_own_thread(self._work, [call for call, _done in batch])
        except Exception as error:
            fate = error if is_outage(error) and _sqlstate(error) not in OF_ONE else None
            log.warning("batch_failed", calls=len(batch), error=type(error).__name__, exc_info=None if fate else error)
            results = [fate] * len(batch)  # None: one of them cannot be written, so each is tried alone
        for (_call, done), result in zip(batch, results, strict=True):
            if isinstance(result, Exception) and not done.done():
                done.set_exception(result)
            elif not done.done():
                done.set_result(result)  # type: ignore[arg-type]
        if len(batch) >= LARGE:
            self._cost = (time.monotonic() - begun) / len(batch)


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
