"""Work of an agent in the background, which nobody waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("moreh-agent")

AGAIN_AFTER = 5.0  # seconds


async def restarted(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Do a work to its end; if it dies of an error, log that and start it again a little later."""
    while True:
        try:
            return await work()
        except Exception:
            logger.exception("%s failed; it is started again.", name)
        await asyncio.sleep(AGAIN_AFTER)
