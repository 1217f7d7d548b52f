"""Passes questions about output on to the agents whose streams this process holds, and their answers back."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

import redis.asyncio
import structlog
from django.conf import settings

from core.pace import Pace
from core.rpc import in_own_thread
from protocol import wire
from protocol.v1 import agents_pb2 as pb
from scheduler.choices import LogProblem
from scheduler.logs.broker import ANSWERS_MS, CHANNEL, WITHIN, Answer, Read, pack
from scheduler.logs.tails import Tail, store_tails
from scheduler.rpc.stream import Stream

log = structlog.get_logger(__name__)
MOST_OPEN = 512  # questions to all agents
MOST_OF_NODE = 16  # questions to one agent
MOST_TAILS = 500  # in one transaction
MOST_TAILS_OF_NODE = 2 * wire.MAX_DEVICES  # that are not stored yet: of all its workers, and of as many that just ended


class Asked(NamedTuple):
    """A question that an agent has not answered yet: whose it is, where the answer goes, and until when."""

    backend_id: int
    key: str
    place: int
    until: float


class LogRelay:
    """Holds the open questions of this process. An agent answers each once; what it was not asked is dropped."""

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        self._streams = streams
        self._open: dict[str, Asked] = {}
        self._answers: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._tails: dict[tuple[int, int], Tail] = {}  # by node and worker
        self._tails_of_node: Counter[int] = Counter()
        self._pace = Pace(settings.MOREH_LOG_TAIL_INTERVAL.total_seconds() / 2, 2)

    async def listen(self) -> None:
        """Pass on questions until the broker is lost."""
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
        async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            async for message in channel.listen():
                question = json.loads(message["data"])
                for index, read in enumerate(question["reads"]):
                    self._ask(question["key"], index, Read(*read))

    async def answer(self) -> None:
        """Push answers to where they are waited for, until the broker is lost."""
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
        async with client:
            while True:
                key, answer = await self._answers.get()
                async with client.pipeline(transaction=False) as pipe:
                    pipe.rpush(key, answer)
                    pipe.pexpire(key, ANSWERS_MS)
                    await pipe.execute()

    def receive(self, stream: Stream, piece: pb.LogPiece) -> None:
        """Take the answer of an agent to a question."""
        asked = self._open.get(piece.request_id)
        if asked is None or asked.backend_id != stream.backend.pk:
            return
        del self._open[piece.request_id]
        piece.request_id = ""
        self._put(asked.key, asked.place, piece)

    def receive_tail(self, stream: Stream, tail: pb.LogTail) -> None:
        """Take the last output of a worker; only the latest is stored, and only as often as agents may send it.

        What one node says of a worker replaces nothing that another node says; whose worker it is is seen when it is
        stored.
        """
        node, key = stream.backend.pk, (stream.backend.pk, tail.worker_id)
        is_new = key not in self._tails
        if is_new and self._tails_of_node[node] >= MOST_TAILS_OF_NODE:
            return
        if self._pace.wait((*key, tail.running)):
            return
        self._tails_of_node[node] += is_new
        self._tails[key] = Tail(node, tail.worker_id, tail.offset, tail.data, tail.running)

    async def flush(self) -> None:
        """Store the last outputs since the last call."""
        some = [self._tails.pop(key) for key in list(self._tails)[:MOST_TAILS]]
        self._tails_of_node -= Counter(tail.backend_id for tail in some)
        if some:
            await in_own_thread(store_tails, some)

    def _ask(self, key: str, index: int, read: Read) -> None:
        stream = self._streams.get(read.backend_id)
        if stream is None:
            return  # another process holds it
        if not stream.keeps_logs:
            self._put(key, index, LogProblem.OLD_AGENT)
            return
        self._drop_late()
        of_node = sum(asked.backend_id == read.backend_id for asked in self._open.values())
        if len(self._open) >= MOST_OPEN or of_node >= MOST_OF_NODE:
            self._put(key, index, LogProblem.BUSY)
            return
        request_id = uuid4().hex
        self._open[request_id] = Asked(read.backend_id, key, index, time.monotonic() + WITHIN)
        wanted = pb.ReadLog(request_id=request_id, worker_id=read.worker_id, offset=read.offset, limit=read.limit)
        stream.send_queue.put(pb.ManagerMessage(read_log=wanted))

    def _drop_late(self) -> None:
        now = time.monotonic()
        self._open = {request: asked for request, asked in self._open.items() if asked.until > now}

    def _put(self, key: str, index: int, answer: Answer) -> None:
        self._answers.put_nowait((key, pack(index, answer)))
