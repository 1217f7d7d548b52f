"""An agent whose disk is full for a while: every order is answered, and the journal is whole again afterwards."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.agent.errors import WorkerError
from clients.agent.journal import Journal, SavedWorker
from clients.agent.runner import Worker
from protocol.v1 import agents_pb2 as pb
from tests.clients.agent_node import Node, answer_of, carry_out, stories
from tests.clients.agent_peer import Manager, clean, start, stop


@contextlib.contextmanager
def full_disk(left: int = 0) -> Iterator[None]:
    """While entered, no file of this process grows beyond `left` bytes: the kernel refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def journal_of(node: Node) -> Journal:
    journal = Journal(node.folder)
    journal.close()
    return journal


async def _a_start_is_answered_and_its_result_written_later(node: Node, served: Manager) -> None:
    await served.hello()
    begin = node.runner.start
    with contextlib.ExitStack() as disk:

        async def fill(order: pb.StartWorker) -> Worker:
            worker = await begin(order)
            disk.enter_context(full_disk())
            return worker

        node.runner.start = fill  # type: ignore[method-assign]
        order = served.order(start(5, 50, (0, 1)))
        result = await served.result(order)
        assert (result.ok, await answer_of(result.address)) == (True, "worker 5 of job 50")
    second = served.order(stop(7))
    assert (await served.result(second)).ok
    await node.agent.abandon()
    journal = journal_of(node)
    assert journal.results[order.order_id] == result
    assert journal.workers == {5: SavedWorker(5, 50, (0, 1), result.address, 0)}
    assert list(journal.stopped) == [7]


async def _a_cleaning_is_answered(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(5, 50, (0, 1))))
    end = node.runner.stop
    with contextlib.ExitStack() as disk:

        async def fill(worker_id: int) -> None:
            await end(worker_id)
            disk.enter_context(full_disk())

        node.runner.stop = fill  # type: ignore[method-assign]
        result = await served.result(served.order(clean(0, 1, worker=5)))
    assert (result.ok, result.error, node.agent.workers()) == (True, "", [])


async def _the_end_of_a_worker_is_reported(node: Node, served: Manager) -> None:
    await served.hello()
    await served.result(served.order(start(5, 50, (0, 1))))
    with full_disk():
        node.runner.lose(5, 3)
        lost = (await served.until(lambda message: message.HasField("worker_lost"))).worker_lost
    assert (lost.worker_id, lost.exit_code) == (5, 3)


async def _an_order_that_cannot_be_remembered_is_not_acknowledged(node: Node, served: Manager) -> None:
    await served.hello()
    order = start(5, 50, (0, 1))
    with full_disk():
        served.order(order)
        await served.hello(2)
        assert [message for message in served.heard if message.HasField("ack") or message.HasField("result")] == []
    served.order(order)
    assert (await served.result(order)).ok
    await node.agent.abandon()
    assert journal_of(node).results[order.order_id] is not None


STORIES = stories(globals())


@pytest.mark.parametrize("story", STORIES)
def test_on_a_full_disk(story: str, tmp_path: Path) -> None:
    carry_out(STORIES[story], tmp_path)


def test_a_journal_that_ends_in_half_a_line_is_written_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    size = (tmp_path / "book.jsonl").stat().st_size
    with full_disk(size + 10), pytest.raises(OSError, match=r"book\.jsonl"):
        journal.accept(pb.Order(order_id="first"))
    assert (tmp_path / "book.jsonl").stat().st_size == size + 10
    with full_disk(size + 10), pytest.raises(OSError, match=r"book\.jsonl"):
        journal.accept(pb.Order(order_id="first"))
    assert not (tmp_path / "book.new").exists()
    journal.accept(pb.Order(order_id="first"))
    journal.begin("first", 5)
    journal.close()
    after = Journal(tmp_path)
    assert (after.results, after.starts, after.boot) == ({"first": None}, {"first": 5}, 2)
    after.close()


def test_a_rewrite_without_room_ends_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.agent.journal.LONGEST", 3)
    journal = Journal(tmp_path)
    for number in range(3):
        journal.accept(pb.Order(order_id=str(number)))
    with full_disk():
        journal.settle(pb.Result(order_id="0", ok=True))
    journal.settle(pb.Result(order_id="1", ok=True))
    journal.close()
    after = Journal(tmp_path)
    assert [result.ok if result else None for result in after.results.values()] == [True, True, None]
    after.close()


FAULTS = {
    "of ours": (KeyError("port"), "'port'"),
    "a name that is no UTF-8": (
        FileNotFoundError(2, "No such file", os.fsdecode(b"caf\xe9")),
        "[Errno 2] No such file: 'caf\\udce9'",
    ),
    "a text that is no UTF-8": (WorkerError(os.fsdecode(b"caf\xe9")), "caf?"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_every_fault_is_an_answer(case: str, tmp_path: Path) -> None:
    error, text = FAULTS[case]

    async def story(node: Node, served: Manager) -> None:
        async def fail(_order: pb.StartWorker) -> Worker:
            raise error

        await served.hello()
        node.runner.start = fail  # type: ignore[method-assign,assignment]
        result = await served.result(served.order(start(5, 50, (0, 1))))
        assert (result.ok, result.error) == (False, text)

    carry_out(story, tmp_path)
