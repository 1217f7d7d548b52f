"""The row watcher: polls rows and wakes streams."""

import asyncio
from collections.abc import Awaitable, Callable

from django.conf import settings

GATHER = 0.005  # seconds in which hints are collected, so that many cost one refresh


class RowWatcher:
    """Polls rows: those of a hint soon after it, and all of them every MOREH_GRPC_POLL."""

    def __init__(self, refresh: Callable[[set[int] | None], Awaitable[None]]) -> None:
        """Create a watcher. `refresh` gets the ids of rows that may have changed, or None for all rows."""
        self._refresh = refresh
        self._ids: set[int] = set()
        self._wake = asyncio.Event()
        self._all_at = 0.0

    def hint(self, ids: list[int]) -> None:
        """Note that these rows may have changed."""
        self._ids.update(ids)
        self._wake.set()

    def hint_all(self) -> None:
        """Note that any row may have changed."""
        self._all_at = 0.0
        self._wake.set()

    async def watch(self) -> None:
        """Wait for a hint or the time of a full poll, then refresh once."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(self._all_at):
                await self._wake.wait()
            await asyncio.sleep(GATHER)
        except TimeoutError:
            pass
        self._wake.clear()
        ids, self._ids = self._ids, set()
        if now() < self._all_at:
            await self._refresh(ids)
            return
        self._all_at = now() + settings.MOREH_GRPC_POLL.total_seconds()
        await self._refresh(None)
