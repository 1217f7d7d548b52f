import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

M = TypeVar("M")


class Outbox(Generic[M]):
    """The messages on their way out of one stream, in order. gRPC takes them as it can."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[M | None] = asyncio.Queue()
        self._drained = asyncio.Event()

    def put(self, message: M) -> None:
        """Send a message after those put before."""
        self._drained.clear()
        self._queue.put_nowait(message)

    def close(self) -> None:
        """End our half of the stream after what was put before."""
        self._queue.put_nowait(None)

    @property
    def stuck(self) -> bool:
        """Nothing has been taken since the last message: the connection may be half-open."""
        return not self._queue.empty()

    async def drained(self) -> None:
        """Wait until everything was taken and gRPC asks for more: until it has passed on the last message."""
        await self._drained.wait()

    async def __aiter__(self) -> AsyncIterator[M]:
        while (message := await self._next()) is not None:
            yield message

    async def _next(self) -> M | None:
        if self._queue.empty():
            self._drained.set()
        return await self._queue.get()
