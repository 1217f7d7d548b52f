from collections.abc import Iterator

from scheduler.policy.ordering import queue_order
from scheduler.policy.placement import FreeDevices
from scheduler.policy.reasons import Decision, Placed, Reason, Waits
from scheduler.policy.snapshot import Request, Snapshot


def plan(snapshot: Snapshot, free: FreeDevices | None = None) -> list[Decision]:
    """Decide every queued request, in queue order, by policy `strict`.

    `free` is for callers who keep it from plan to plan: it stands for the free devices of `snapshot.nodes`, and what
    is placed is taken from it.
    """
    turn = _Turn(snapshot, FreeDevices(snapshot.nodes) if free is None else free)
    return [turn.decide(request) for request in sorted(snapshot.queue, key=queue_order)]


def starts(snapshot: Snapshot, free: FreeDevices) -> Iterator[Placed]:
    """Decide only who starts now, as `plan` does, of a queue that is in queue order already.

    For callers who need no reasons: a blocked queue costs one decision, however long it is.
    """
    turn = _Turn(snapshot, free)
    for request in snapshot.queue:
        decision = turn.decide(request)
        if isinstance(decision, Placed):
            yield decision
        if turn.nobody_passes():
            return


class _Turn:
    """What one plan has promised so far, and the request that blocks those behind it."""

    def __init__(self, snapshot: Snapshot, free: FreeDevices) -> None:
        self._snapshot = snapshot
        self._free = free
        self._slots = dict(snapshot.sda_slots)
        self._ceiling = snapshot.capacity if snapshot.combine else snapshot.largest_node
        self._head: int | None = None

    def decide(self, request: Request) -> Decision:
        return self._held_apart(request) or self._held_back(request) or self._place(request)

    def nobody_passes(self) -> bool:
        """Say whether everyone who is still to be decided waits."""
        return self._head is not None

    def _held_apart(self, request: Request) -> Waits | None:
        """Say what keeps this one from starting by itself, and so blocks nobody else."""
        if request.devices > self._ceiling and self._snapshot.capacity:
            return Waits(request.id, Reason.NEVER_FITS, request.devices, self._ceiling)
        if self._slots and self._slots.get(request.sda_id, 1) < 1:
            return Waits(request.id, Reason.SDA_BUSY, 1, 0)
        return None

    def _held_back(self, request: Request) -> Waits | None:
        """Say who stands before it. This is where the policies differ: `strict` lets nobody pass the head."""
        if self._head is None:
            return None
        return Waits(request.id, Reason.BLOCKED_BY_HEAD, request.devices, self._free.total, self._head)

    def _place(self, request: Request) -> Decision:
        devices = self._free.take(request.devices, combine=self._snapshot.combine)
        if devices is None:
            self._head = request.id
            return self._why_not(request)
        if request.sda_id in self._slots:
            self._slots[request.sda_id] -= 1
        return Placed(request.id, devices)

    def _why_not(self, request: Request) -> Waits:
        total = self._free.total
        if not self._snapshot.nodes:
            return Waits(request.id, Reason.NO_ACTIVE_BACKEND, request.devices, 0)
        if request.devices > total:
            return Waits(request.id, Reason.NOT_ENOUGH_DEVICES, request.devices, total)
        return Waits(request.id, Reason.NO_SINGLE_NODE, request.devices, self._free.best_node())
