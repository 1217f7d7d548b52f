import asyncio
from collections.abc import Awaitable, Callable

from django.conf import settings

GATHER = 0.005  # seconds in which hints gather, so that many of them cost one look


class Lookout:
    """Has rows looked at soon after a hint, and all of them at the latest every MOREH_GRPC_POLL."""

    def __init__(self, look: Callable[[set[int] | None], Awaitable[None]]) -> None:
        """`look` gets the ids of the rows that may have changed, or None for all that it knows."""
        self._look = look
        self._ids: set[int] = set()
        self._bell = asyncio.Event()
        self._all_at = 0.0

    def hint(self, ids: list[int]) -> None:
        """Say that these rows may have changed."""
        self._ids.update(ids)
        self._bell.set()

    def hint_all(self) -> None:
        """Say that any row may have changed."""
        self._all_at = 0.0
        self._bell.set()

    async def watch(self) -> None:
        """Wait for a hint or the time of a full look, then look once."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(self._all_at):
                await self._bell.wait()
            await asyncio.sleep(GATHER)
        except TimeoutError:
            pass
        self._bell.clear()
        ids, self._ids = self._ids, set()
        if now() < self._all_at:
            await self._look(ids)
            return
        self._all_at = now() + settings.MOREH_GRPC_POLL.total_seconds()
        await self._look(None)
