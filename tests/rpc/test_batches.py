"""Calls that come together are carried out together; one that fails takes nobody along."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from django.db import OperationalError

from core.pace import Pace
from scheduler.rpc.batches import Batches


def _run(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(run())


def test_what_comes_while_a_batch_is_written_is_the_next_one() -> None:
    written: list[list[int]] = []
    go = threading.Event()

    def work(calls: list[int]) -> list[int]:
        written.append(calls)
        go.wait(5)
        return [10 * call for call in calls]

    async def story() -> None:
        batches = Batches(work, asyncio.Lock())
        first = asyncio.create_task(batches.do(1))
        while not written:
            await asyncio.sleep(0.01)
        rest = [asyncio.create_task(batches.do(n)) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        rest[1].cancel()
        go.set()
        assert [await first, await rest[0], await rest[2]] == [10, 20, 40]
        assert written == [[1], [2, 4]]

    _run(story)


def test_each_hears_of_its_own_result_and_of_an_outage_everybody() -> None:
    gone = OperationalError("gone")

    def work(calls: list[str]) -> list[str | Exception | None]:
        if "outage" in calls:
            raise gone
        if "row" in calls:
            raise ValueError
        return [KeyError(call) if call == "wrong" else call for call in calls]

    async def story() -> None:
        async def ask(*calls: str) -> list[object]:
            batches = Batches(work, asyncio.Lock())
            return await asyncio.gather(*(batches.do(call) for call in calls), return_exceptions=True)

        good, wrong, last = await ask("good", "wrong", "last")
        assert (good, type(wrong), last) == ("good", KeyError, "last")
        assert await ask("good", "row") == [None, None]  # each is to be tried by itself
        assert await ask("good", "outage") == [gone, gone]

    _run(story)


def test_batches_with_one_lock_are_written_one_after_the_other() -> None:
    busy = threading.Lock()

    def work(calls: list[int]) -> list[int]:
        assert busy.acquire(blocking=False)
        threading.Event().wait(0.02)
        busy.release()
        return calls

    async def story() -> None:
        lock = asyncio.Lock()
        several = [Batches(work, lock) for _ in range(3)]
        found = await asyncio.gather(*(batches.do(n) for batches in several for n in range(4)))
        assert found == [0, 1, 2, 3] * 3

    _run(story)


def test_a_pace_allows_some_at_once_and_then_one_at_a_time_for_each_by_itself() -> None:
    now = 100.0
    pace = Pace(every=2.0, burst=3, now=lambda: now)
    assert [pace.wait(1) for _ in range(4)] == [0, 0, 0, 2.0]
    assert pace.wait(2) == 0
    now = 101.5
    assert pace.wait(1) == pytest.approx(0.5)
    now = 102.0
    assert [pace.wait(1), pace.wait(1)] == [0, 2.0]
    now = 1_000.0
    assert [pace.wait(1) for _ in range(4)] == [0, 0, 0, 2.0]
