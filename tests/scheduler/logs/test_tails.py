"""The last output of workers: what one agent sends, wrong or too much of it, harms no other."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.numbers import MAX_ID
from protocol.v1 import agents_pb2 as pb
from scheduler.logs.tails import Tail, store_tails
from scheduler.models import Worker, WorkerTail
from scheduler.rpc.log_relay import MOST_TAILS_OF_NODE, LogRelay
from tests import make


def stream(node: int) -> Any:
    return cast("Any", SimpleNamespace(backend=SimpleNamespace(pk=node)))


def relayed(relay: LogRelay) -> list[tuple[int, int, bytes]]:
    return [(tail.backend_id, tail.worker_id, tail.data) for tail in relay._tails.values()]


@pytest.mark.django_db
def test_a_tail_with_impossible_numbers_loses_no_other() -> None:
    node = make.ready_backend(2)
    far, fine = (Worker.objects.get(job=make.running_job(node)).pk for _ in range(2))
    store_tails(
        [
            Tail(node.pk, far, MAX_ID - 3, b"too far\n", running=True),
            Tail(node.pk, far, -1, b"before\n", running=True),
            Tail(node.pk, -5, 0, b"nobody\n", running=True),
            Tail(node.pk, MAX_ID + 1, 0, b"nobody\n", running=True),
            Tail(node.pk + 1, fine, 0, b"forged\n", running=False),
            Tail(node.pk, fine, MAX_ID - 9, b" x\nfine\n.", running=False),
            Tail(node.pk + 1, fine, 0, b"forged\n", running=False),
        ]
    )
    assert list(WorkerTail.objects.values_list("worker", "text", "end")) == [(fine, "fine\n.", MAX_ID)]


def test_a_tail_of_another_node_replaces_none_that_waits() -> None:
    relay = LogRelay({})
    relay.receive_tail(stream(1), pb.LogTail(worker_id=7, data=b"why it ended\n"))
    relay.receive_tail(stream(2), pb.LogTail(worker_id=7, data=b"forged\n"))
    assert relayed(relay) == [(1, 7, b"why it ended\n"), (2, 7, b"forged\n")]


@pytest.mark.only_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_node_has_few_tails_that_wait_and_sends_each_seldom() -> None:
    relay = LogRelay({})
    for worker_id in range(1, MOST_TAILS_OF_NODE + 9):
        relay.receive_tail(stream(1), pb.LogTail(worker_id=worker_id, data=b"x"))
    relay.receive_tail(stream(2), pb.LogTail(worker_id=1, data=b"of another"))
    assert len(relayed(relay)) == MOST_TAILS_OF_NODE + 1
    relay.receive_tail(stream(1), pb.LogTail(worker_id=1, data=b"second"))
    relay.receive_tail(stream(1), pb.LogTail(worker_id=1, data=b"third, too soon"))
    assert relayed(relay)[0] == (1, 1, b"second")
    asyncio.run(relay.flush())
    assert (relayed(relay), relay._tails_of_node.total(), WorkerTail.objects.count()) == ([], 0, 0)
    relay.receive_tail(stream(1), pb.LogTail(worker_id=MOST_TAILS_OF_NODE + 8, data=b"there is room again"))
    assert len(relayed(relay)) == 1
