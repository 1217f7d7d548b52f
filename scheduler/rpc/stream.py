"""The stream of one node agent."""

import time
from collections import deque
from collections.abc import Collection
from typing import Any
from uuid import UUID

from backends.choices import OrderState
from backends.services.findings import ReportedFact
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.send_queue import SendQueue

SKEWS, MOST_SKEW_MS = 3, 2**53  # of so many reports the smallest counts: one that was held up says nothing
REDELIVER = 5.0  # seconds after which an order that the agent has not acknowledged is sent again
DeviceFacts = tuple[tuple[int, tuple[ReportedFact, ...]], ...]
"""What is wrong with the devices of a node, by index."""


class Stream:
    """The stream of an agent, with what the agent has reported and what was sent to it."""

    def __init__(self, backend: Any, session: UUID, hello: pb.AgentMessage, wanted: Collection[int]) -> None:
        self.backend = backend
        self.session = session
        self.boot = hello.boot
        self.sequence = hello.sequence
        self.running = {worker.worker_id for worker in hello.hello.workers} & set(wanted)
        self.missing: set[int] = set()
        self.healthy: bool | None = None
        self.keeps_logs = hello.hello.keeps_logs
        self.facts: DeviceFacts | None = None  # as stored
        self.hurried: set[tuple[int, str, int]] = set()  # facts that were stored without waiting for their turn
        self.delivered: dict[UUID, float] = {}
        self.workers: dict[UUID, int] = {}
        self.cleanings: set[UUID] = set()
        self._skews: deque[int] = deque(maxlen=SKEWS)
        self.send_queue: SendQueue[pb.ManagerMessage] = SendQueue()

    def is_news(self, message: pb.AgentMessage) -> bool:
        """Whether a message is new: not repeated, not late, and not of an earlier start of the agent."""
        if message.boot != self.boot or message.sequence <= self.sequence:
            return False
        self.sequence = message.sequence
        return True

    def note_clock(self, message: pb.AgentMessage) -> None:
        """Remember how far the clock of the node is from ours; the way and a queue make it seem to be behind."""
        if message.sent_at_ms > 0:
            skew = message.sent_at_ms - int(time.time() * 1000)
            self._skews.append(max(-MOST_SKEW_MS, min(skew, MOST_SKEW_MS)))

    @property
    def clock_skew_ms(self) -> int | None:
        """Return the smallest of the latest skews of the node's clock (ms), positive if it is fast; None at first."""
        return min(self._skews, key=abs) if len(self._skews) == SKEWS else None

    def gone(self, present: set[int]) -> set[int]:
        """Return the workers that two reports in a row lack; the first may have been sent before the worker started."""
        missing = self.running - present
        gone, self.missing = missing & self.missing, missing
        self.running -= gone
        return gone

    def is_due(self, order: Any) -> bool:
        """Whether an order has to be sent, for the first time or again."""
        at = self.delivered.get(order.pk)
        return at is None or (order.state == OrderState.PENDING and time.monotonic() - at > REDELIVER)

    def deliver(self, order: Any, message: pb.ManagerMessage) -> None:
        """Send an order, and remember its worker or that it cleans."""
        self.delivered[order.pk] = time.monotonic()
        if message.order.HasField("start"):
            self.workers[order.pk] = message.order.start.worker_id
        elif message.order.HasField("stop"):
            self.running.discard(message.order.stop.worker_id)
        elif message.order.HasField("clean"):
            self.cleanings.add(order.pk)
        self.send_queue.put(message)

    def settle(self, order_id: UUID, *, ok: bool) -> None:
        """Handle the end of an order: after a successful START, reports must contain the worker."""
        worker_id = self.workers.pop(order_id, None)
        if ok and worker_id is not None:
            self.running.add(worker_id)

    def forget_settled(self, still_open: set[UUID]) -> None:
        """Drop orders that are no longer open."""
        self.delivered = {pk: at for pk, at in self.delivered.items() if pk in still_open}
        self.workers = {pk: worker for pk, worker in self.workers.items() if pk in still_open}
        self.cleanings &= still_open
