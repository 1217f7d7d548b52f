import time
from uuid import UUID

from backends.choices import OrderState
from backends.models import Backend, Order
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.outbox import Outbox

REDELIVER = 5.0  # seconds after which an order that the agent has not acknowledged is sent again


class Stream:
    """One agent's stream, and what it has told us and been told."""

    def __init__(self, backend: Backend, session: UUID, hello: pb.AgentMessage, wanted: list[int]) -> None:
        self.backend = backend
        self.session = session
        self.boot = hello.boot
        self.sequence = hello.sequence
        self.running = {worker.worker_id for worker in hello.hello.workers} & set(wanted)
        self.missing: set[int] = set()
        self.healthy: bool | None = None
        self.delivered: dict[UUID, float] = {}
        self.workers: dict[UUID, int] = {}
        self.outbox: Outbox[pb.ManagerMessage] = Outbox()

    def is_news(self, message: pb.AgentMessage) -> bool:
        """Tell messages from repeated, late and yesterday's ones."""
        if message.boot != self.boot or message.sequence <= self.sequence:
            return False
        self.sequence = message.sequence
        return True

    def gone(self, present: set[int]) -> set[int]:
        """Give the workers that two reports in a row do not name: the first may have crossed a start's result."""
        missing = self.running - present
        gone, self.missing = missing & self.missing, missing
        self.running -= gone
        return gone

    def is_due(self, order: Order) -> bool:
        """Tell whether to send an order, for the first time or once more."""
        at = self.delivered.get(order.pk)
        return at is None or (order.state == OrderState.PENDING and time.monotonic() - at > REDELIVER)

    def deliver(self, order: Order, message: pb.ManagerMessage) -> None:
        """Send an order and remember what it is about."""
        self.delivered[order.pk] = time.monotonic()
        if message.order.HasField("start"):
            self.workers[order.pk] = message.order.start.worker_id
        elif message.order.HasField("stop"):
            self.running.discard(message.order.stop.worker_id)
        self.outbox.put(message)

    def settle(self, order_id: UUID, *, ok: bool) -> None:
        """Take note of the end of an order: from a good start on, reports must name the worker."""
        worker_id = self.workers.pop(order_id, None)
        if ok and worker_id is not None:
            self.running.add(worker_id)

    def forget_settled(self, still_open: set[UUID]) -> None:
        """Drop what is kept of orders that are over."""
        self.delivered = {pk: at for pk, at in self.delivered.items() if pk in still_open}
        self.workers = {pk: worker for pk, worker in self.workers.items() if pk in still_open}
