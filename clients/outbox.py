import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

M = TypeVar("M")


class Outbox(Generic[M]):
    """The messages on their way out of one stream, in order. gRPC takes them as it can."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[M | None] = asyncio.Queue()

    def put(self, message: M) -> None:
        """Send a message after those put before."""
        self._queue.put_nowait(message)

    def close(self) -> None:
        """End our half of the stream after what was put before."""
        self._queue.put_nowait(None)

    @property
    def stuck(self) -> bool:
        """Nothing has been taken since the last message: the connection may be half-open."""
        return not self._queue.empty()

    async def __aiter__(self) -> AsyncIterator[M]:
        while (message := await self._queue.get()) is not None:
            yield message
