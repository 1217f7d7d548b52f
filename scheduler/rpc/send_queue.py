"""The queue of messages to one stream."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

M = TypeVar("M")


class SendQueue(Generic[M]):
    """Messages to one stream, which are sent as fast as the peer reads."""

    def __init__(self) -> None:
        self._messages: deque[M] = deque()
        self._news = asyncio.Event()
        self._error: Exception | None = None
        self._ended = False

    def put(self, message: M) -> None:
        """Append a message."""
        self._messages.append(message)
        self._news.set()

    def replace(self, message: M) -> None:
        """Put a message in place of those that are not sent yet."""
        self._messages.clear()
        self.put(message)

    def fail(self, error: Exception) -> None:
        """End the stream with an error, before the messages that are not sent yet."""
        self._error = self._error or error
        self._news.set()

    def end(self) -> None:
        """End the stream without an error, after the messages put before."""
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
