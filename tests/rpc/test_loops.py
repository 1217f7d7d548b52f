"""The server's rounds end when it does."""

import asyncio

from moreh_cloud.rpc.loops import end, every


def test_a_round_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            lost += 1
            if lost > 2:
                raise

    async def stop() -> list[bool]:
        loops = [asyncio.create_task(every(0, deaf)), asyncio.create_task(every(60, asyncio.Event().wait))]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end(loops)
        return [loop.cancelled() for loop in loops]

    assert asyncio.run(stop()) == [True, True]
    assert lost == 3
