"""What the server does again and again. A loop survives every error: the next round may go better."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import redis.asyncio
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from moreh_cloud.lib.bell import CHANNEL

log = structlog.get_logger(__name__)
RECONNECT = 1.0  # seconds
CANCEL_AGAIN = 0.5  # seconds
FORESEEN = (TimeoutError, OperationalError, InterfaceError, redis.asyncio.RedisError)  # outages: their names say enough


class Listener(Protocol):
    """Somebody who looks at rows when there is news of them."""

    def hint(self, ids: list[int]) -> None: ...

    def hint_all(self) -> None: ...


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work with pauses between; log when it begins to fail and when it goes well again."""
    well = True
    while True:
        try:
            await work()
            if not well:
                log.info("loop_recovered", work=work.__qualname__)
            well = True
        except Exception as error:
            if well:
                where = None if isinstance(error, FORESEEN) else error
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


async def hear_news(listeners: Mapping[str, Listener]) -> None:
    """Pass on what the channel says, `<topic> <id> <id> …`; after a gap everybody looks at everything."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
    async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(CHANNEL)
        for listener in listeners.values():
            listener.hint_all()
        async for message in channel.listen():
            topic, *ids = message["data"].decode().split()
            if topic in listeners:
                listeners[topic].hint([int(word) for word in ids])
