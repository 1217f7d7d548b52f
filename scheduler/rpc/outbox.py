import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

M = TypeVar("M")


class Outbox(Generic[M]):
    """The messages on their way to one stream; it takes them as fast as its peer reads."""

    def __init__(self) -> None:
        self._messages: deque[M] = deque()
        self._news = asyncio.Event()
        self._error: Exception | None = None
        self._ended = False

    def put(self, message: M) -> None:
        """Send a message after those put before."""
        self._messages.append(message)
        self._news.set()

    def replace(self, message: M) -> None:
        """Send a message instead of those that nobody has taken yet."""
        self._messages.clear()
        self.put(message)

    def fail(self, error: Exception) -> None:
        """End the stream with an error at once."""
        self._error = self._error or error
        self._news.set()

    def end(self) -> None:
        """End the stream well, after what was put before."""
        self._ended = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[M]:
        while True:
            await self._news.wait()
            if self._error:
                raise self._error
            if self._messages:
                yield self._messages.popleft()
            elif self._ended:
                return
            else:
                self._news.clear()
