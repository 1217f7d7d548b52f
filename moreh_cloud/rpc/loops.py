"""Periodic work of the server. A loop survives every error: the next run may succeed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import redis.asyncio
import structlog
from django.conf import settings

from core.outages import is_outage
from core.wakeups import CHANNEL

log = structlog.get_logger(__name__)
RECONNECT = 1.0  # seconds
CANCEL_AGAIN = 0.5  # seconds


class Listener(Protocol):
    """A component that reads rows again when they have changed."""

    def hint(self, ids: list[int]) -> None:
        """Read these rows again soon."""

    def hint_all(self) -> None:
        """Read all rows again soon."""


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Run some work with pauses between; log when it begins to fail and when it recovers."""
    well = True
    while True:
        try:
            await work()
            if not well:
                log.info("loop_recovered", work=work.__qualname__)
            well = True
        except Exception as error:
            if well:
                where = None if isinstance(error, TimeoutError) or is_outage(error) else error  # a name says enough
                log.warning("loop_failed", work=work.__qualname__, error=type(error).__name__, exc_info=where)
            well = False
        await asyncio.sleep(seconds)


async def end(loops: Iterable[asyncio.Task[None]]) -> None:
    """Cancel loops until they have ended.

    redis-py loses a cancellation that comes while it connects: servers stopped right after their start hung for ever.
    """
    left = set(loops)
    while left:
        for loop in left:
            loop.cancel()
        left = (await asyncio.wait(left, timeout=CANCEL_AGAIN))[1]


async def forward_messages(listeners: Mapping[str, Listener]) -> None:
    """Pass on the messages of the channel, `<topic> <id> <id> …`; after a gap every listener reads all its rows."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
    async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(CHANNEL)
        for listener in listeners.values():
            listener.hint_all()
        async for message in channel.listen():
            topic, *ids = message["data"].decode().split()
            if topic in listeners:
                listeners[topic].hint([int(word) for word in ids])
