"""The output of workers: kept within its limits by a process that outlives the agent, and sent in pieces."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.agent.fake_outputs import FakeOutputs
from clients.agent.outputs import KeptOutputs, OutputLimits
from clients.keeper import Keeper, WriteBudget
from clients.segments import Output, SegmentWriter, read_output, segments
from protocol import wire
from protocol.v1 import agents_pb2 as pb
from tests.clients.agent_peer import start, stop
from tests.clients.test_processes import Node, world

WITHIN = 10.0  # seconds


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not happened():
            await asyncio.sleep(0.02)


def keepers_of(folder: Path) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"clients.keeper {folder}"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_an_output_takes_exactly_its_limit_and_loses_the_oldest_bytes_first(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 80)
    writer.write(bytes(range(75)))
    assert [(one.start, one.size) for one in segments(tmp_path)] == [(n * 10, min(10, 75 - n * 10)) for n in range(8)]
    writer.write(bytes(range(75, 81)))
    assert [one.start for one in segments(tmp_path)] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert read_output(tmp_path, 0, 1000) == Output(10, bytes(range(10, 81)), 10, 81)
    assert read_output(tmp_path, 18, 4) == Output(18, bytes(range(18, 22)), 10, 81)
    assert read_output(tmp_path, -3, 1000) == Output(78, bytes(range(78, 81)), 10, 81)
    assert read_output(tmp_path, 500, 10) == Output(81, b"", 10, 81)
    again = SegmentWriter(tmp_path, 80)
    again.write(b"x" * 200)
    assert read_output(tmp_path, 0, 1000) == Output(210, b"x" * 71, 210, 281)
    writer.close()
    again.close()


def test_what_is_too_fast_is_left_out_but_for_its_end(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1 << 24)
    keeper = Keeper(writer, WriteBudget(1000))
    keeper.receive(b"a" * 4000)
    keeper.receive(b"bbb\n" * 75_000)
    keeper.receive(b"the reason\n")
    keeper.release(at_end=True)
    writer.close()
    output = read_output(tmp_path, 0, 1 << 24)
    assert output is not None
    note = b"\n[moreh-agent: 37868 bytes are left out here]\n"
    assert output.data == b"a" * 4000 + note + b"bbb\n" * ((1 << 16) - 3) + b"the reason\n"


def test_the_oldest_outputs_go_when_all_are_too_large_or_too_old(tmp_path: Path) -> None:
    outputs = KeptOutputs(tmp_path, OutputLimits(size=100, total=3200, days=1))
    for worker_id, age_days in ((1, 0.5), (2, 0.1), (3, 2.0), (4, 0.0), (9, 3.0)):
        folder = tmp_path / str(worker_id)
        folder.mkdir()
        segment = folder / f"{0:020}.log"
        segment.write_bytes(b"x" * 100)
        at = time.time() - age_days * 86_400
        os.utime(segment, (at, at))
    asyncio.run(outputs.tend({9}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "4", "9"]
    (tmp_path / "worker-5.log").write_bytes(b"of an agent before")
    asyncio.run(outputs.tend({9, *range(100, 129)}))  # 30 that run may need 3,000 bytes: 200 are left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "9", "worker-5.log"]


def test_a_worker_writes_on_whoever_dies(tmp_path: Path) -> None:
    """Its agent and its keeper are killed; the next agent gives it a keeper, and nothing it wrote is missing."""
    ticks = "import threading\ndef tick():\n    n = 0\n    while True:\n        n += 1\n"
    ticks += "        print('tick', n, flush=True)\n        time.sleep(0.02)\nthreading.Thread(target=tick).start()"

    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            assert (await served.result(served.order(start(5, 50, env={"BEFORE": ticks})))).ok
            folder = tmp_path / "state/workers/5"
            await until(lambda: b"tick 3\n" in text_of(node) and len(keepers_of(folder)) == 1)
            [keeper] = keepers_of(folder)
            children = node.runner._children
            await node.agent.abandon()
            os.kill(keeper, signal.SIGKILL)
            before = text_of(node).count(b"tick")
            served.expect((5, 50))
            await node.boot()
            await until(lambda: text_of(node).count(b"tick") > before + 3)
            assert keepers_of(folder) != [keeper]
            numbers = [int(number) for number in re.findall(rb"tick (\d+)\n", text_of(node))]
            assert numbers == list(range(1, len(numbers) + 1))
            assert (await served.result(served.order(stop(5)))).ok
            await until(lambda: not keepers_of(folder))
            children.pop(5).wait()

    asyncio.run(tell())


def text_of(node: Node) -> bytes:
    output = node.runner.outputs.read(5, 0, 1 << 20)
    return output.data if output else b""


def test_a_worker_that_fails_at_once_leaves_its_last_words(tmp_path: Path) -> None:
    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            result = await served.result(served.order(start(5, 50, env={"BEFORE": "raise SystemExit('no licence')"})))
            assert (result.ok, result.error) == (False, "worker 5 ended before it was ready, exit code 1")
            await until(lambda: text_of(node) == b"hello from the worker\nno licence\n")

    asyncio.run(tell())


def test_pieces_are_bounded_and_tails_follow_the_output(tmp_path: Path) -> None:
    async def tell() -> None:
        async with world(tmp_path) as (node, served):
            served.tails = (10, 50)
            await node.agent.abandon()
            await node.boot()
            await served.hello(2)
            long = "print('x' * 100_000, flush=True)"
            assert (await served.result(served.order(start(5, 50, env={"BEFORE": long})))).ok
            tail = (await served.until(lambda m: m.HasField("log_tail") and m.log_tail.offset == 100_013)).log_tail
            assert (tail.worker_id, tail.data) == (5, b"x" * 9 + b"\n")
            pieces = {}
            for name, worker, offset, limit in (("a", 5, 0, 30), ("b", 5, -4, 9), ("c", 5, 0, 2**31), ("d", 6, 0, 9)):
                served.read_log(name, worker, offset, limit)
                pieces[name] = await served.piece(name)
            assert pieces["a"] == pb.LogPiece(
                request_id="a", data=b"hello from the worker\n" + b"x" * 8, end=100_023, running=True
            )
            assert (pieces["b"].offset, pieces["b"].data) == (100_019, b"xxx\n")
            assert len(pieces["c"].data) == wire.MAX_LOG_PIECE
            assert pieces["d"] == pb.LogPiece(request_id="d", problem=pb.LogPiece.NOT_KEPT)

    asyncio.run(tell())


def test_a_simulated_worker_has_an_output_of_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr("clients.agent.fake_outputs.time.time", lambda: now[0])
    outputs = FakeOutputs()
    outputs.begin(7)
    now[0] += 20.5
    whole = outputs.read(7, 0, 10_000)
    assert whole is not None
    assert (whole.first, whole.end, whole.data.count(b"\n"), len(whole.data)) == (0, 880, 11, 880)
    assert whole.data.startswith(b"2027-01-15T08:00:00+00:00 worker 7: devices are ready, training begins")
    assert outputs.read(7, -90, 1000) == Output(790, whole.data[790:], 0, 880)
    assert outputs.read(7, 100, 50) == Output(100, whole.data[100:150], 0, 880)
    outputs.end(7)
    now[0] += 60
    assert outputs.read(7, 0, 10_000) == whole
    assert outputs.read(8, 0, 10) is None


def test_a_keeper_drains_what_is_written_faster_than_it_may_keep(tmp_path: Path) -> None:
    """200 MiB go through while 1 MiB a second may be kept: the disk has the limit at most, and the end is there."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "clients.keeper", str(tmp_path), str(1 << 20), str(1 << 20)]
    subprocess.run(command, stdin=reading, check=True)
    os.close(reading)
    block = (b"y" * 1023 + b"\n") * 1024
    for _ in range(200):
        os.write(writing, block)
    os.write(writing, b"the end\n")
    os.close(writing)
    asyncio.run(until(lambda: not keepers_of(tmp_path)))
    output = read_output(tmp_path, -8, 8)
    assert output is not None
    assert (output.data, output.end - output.first <= 1 << 20) == (b"the end\n", True)
