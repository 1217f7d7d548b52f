"""Questions to agents about output, over the broker: from any process to the one that holds the agent's stream.

A question is published with the name of a list; the answers are pushed to that list, which expires. Nothing is kept: if
the broker is lost, nothing can be read until it is back.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import NamedTuple
from uuid import uuid4

import redis
from django.conf import settings

from protocol.v1 import agents_pb2 as pb
from scheduler.choices import LogProblem

CHANNEL = "moreh:log"
ANSWERS_MS = 10_000  # that nobody fetched are gone after this
WITHIN = 3.0  # seconds in which an agent answers
AT_ONCE = 16  # questions of one process
Answer = pb.LogPiece | LogProblem
_asking = BoundedSemaphore(AT_ONCE)


class Read(NamedTuple):
    """A piece that is wanted: of which worker on which node, from which offset on (negative: from the end)."""

    backend_id: int
    worker_id: int
    offset: int
    limit: int


def ask(reads: Sequence[Read]) -> list[Answer]:
    """Return for each piece what its agent answers, or why nothing came. Waits WITHIN at most."""
    if not reads:
        return []
    with _permission() as allowed:
        if not allowed:
            return [LogProblem.BUSY] * len(reads)
        try:
            return _ask(reads)
        except redis.RedisError:
            return [LogProblem.NO_SERVER] * len(reads)


@contextmanager
def _permission() -> Iterator[bool]:
    """Yield whether this process may ask: only so many questions are open at once."""
    allowed = _asking.acquire(blocking=False)
    try:
        yield allowed
    finally:
        if allowed:
            _asking.release()


def _ask(reads: Sequence[Read]) -> list[Answer]:
    key, deadline = f"{CHANNEL}:{uuid4().hex}", time.monotonic() + WITHIN
    answers: list[Answer] = [LogProblem.NO_ANSWER] * len(reads)
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=WITHIN + 2, socket_connect_timeout=1) as client:
        if not client.publish(CHANNEL, json.dumps({"key": key, "reads": reads})):
            return [LogProblem.NO_SERVER] * len(reads)
        missing = set(range(len(reads)))
        while missing and (left := deadline - time.monotonic()) > 0:
            found = client.blpop([key], timeout=max(0.05, left))
            if found is None:
                break
            index, answer = _unpack(found[1])
            answers[index] = answer
            missing.discard(index)
    return answers


def pack(index: int, answer: Answer) -> bytes:
    """Return an answer as it is pushed to the list."""
    if isinstance(answer, LogProblem):
        return f"{index} {answer.value} ".encode()
    return f"{index} - ".encode() + answer.SerializeToString()


def _unpack(data: bytes) -> tuple[int, Answer]:
    index, problem, piece = data.split(b" ", 2)
    if problem != b"-":
        return int(index), LogProblem(problem.decode())
    return int(index), pb.LogPiece.FromString(piece)
