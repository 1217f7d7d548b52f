"""What is broken on a node's disk hinders only itself: every other output is read, kept and deleted as ever."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clients.agent import background
from clients.agent.log_sender import LogSender
from clients.agent.outputs import KeptOutputs, OutputLimits
from clients.segments import Segment, segments
from protocol.v1 import agents_pb2 as pb


def test_an_output_that_cannot_be_read_is_said_to_be_not_kept_and_stops_no_other(tmp_path: Path) -> None:
    os.symlink("5", tmp_path / "5")  # a loop: it can be opened as little as a file of a broken disk
    (tmp_path / "6").mkdir()
    (tmp_path / "6" / f"{0:020}.log").write_bytes(b"good\n")
    sent: list[pb.AgentMessage] = []

    async def drained() -> None:
        pass

    async def tell() -> None:
        runner = SimpleNamespace(workers={5: None, 6: None}, outputs=KeptOutputs(tmp_path, OutputLimits()))
        sender = LogSender(cast("Any", runner), sent.append, drained)
        welcome = pb.Welcome(log_tail_bytes=100, log_tail_interval_ms=10)
        tasks = [asyncio.create_task(work) for work in (sender.answer_for_ever(), sender.send_tails(welcome))]
        for worker_id in (5, 6):
            sender.receive(pb.ReadLog(request_id=f"of {worker_id}", worker_id=worker_id, limit=100))
        async with asyncio.timeout(5):
            while len(sent) < 3:
                await asyncio.sleep(0.01)
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()

    asyncio.run(tell())
    answers = [message.log_piece for message in sent if message.HasField("log_piece")]
    assert answers == [
        pb.LogPiece(request_id="of 5", problem=pb.LogPiece.NOT_KEPT, running=True),
        pb.LogPiece(request_id="of 6", data=b"good\n", end=5, running=True),
    ]
    tails = [message.log_tail for message in sent if message.HasField("log_tail")]
    assert tails == [pb.LogTail(worker_id=6, data=b"good\n", running=True)]


def test_what_is_no_file_is_no_segment(tmp_path: Path) -> None:
    good = tmp_path / f"{0:020}.log"
    good.write_bytes(b"good\n")
    (tmp_path / "7.log").mkdir()
    os.symlink("8.log", tmp_path / "8.log")
    os.symlink("nowhere", tmp_path / "9.log")
    assert segments(tmp_path) == [Segment(0, 5, good)]


def test_old_outputs_are_deleted_and_keepers_restarted_beside_broken_entries(tmp_path: Path) -> None:
    os.symlink("nowhere", tmp_path / "3")
    os.symlink("4", tmp_path / "4")
    for name in ("10", "11"):
        (tmp_path / name).mkdir()
        segment = tmp_path / name / f"{0:020}.log"
        segment.write_bytes(b"x" * 100)
        os.utime(segment, (1, 1))
    outputs = KeptOutputs(tmp_path, OutputLimits(days=1))
    worker_end, keeper_end = outputs.open_pipe(20)
    os.close(keeper_end)
    asyncio.run(outputs.tend([4, 20]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["20", "3", "4"]
    os.write(worker_end, b"kept\n")
    os.close(worker_end)
    asyncio.run(_until_read(outputs, b"kept\n"))


async def _until_read(outputs: KeptOutputs, data: bytes) -> None:
    async with asyncio.timeout(10):
        while (output := outputs.read(20, 0, 100)) is None or output.data != data:
            await asyncio.sleep(0.02)


def test_background_work_that_dies_is_logged_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "AGAIN_AFTER", 0.0)
    calls: list[int] = []

    async def work() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            raise ValueError("broken")

    asyncio.run(background.restarted(work, "Sending output"))
    assert calls == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == ["Sending output failed; it is started again."] * 2
