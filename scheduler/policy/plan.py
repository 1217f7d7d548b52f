from collections.abc import Iterator

from scheduler.policy.guard import Hold, hold_for
from scheduler.policy.ordering import in_order
from scheduler.policy.placement import FreeDevices
from scheduler.policy.preemption import victims_of
from scheduler.policy.reasons import Decision, Placed, Reason, Waits
from scheduler.policy.room import Room
from scheduler.policy.snapshot import Policy, Request, Snapshot


def plan(snapshot: Snapshot, free: FreeDevices | None = None) -> list[Decision]:
    """Decide every queued request, in the order of the group's policy.

    `free` is for callers who keep it from plan to plan: it stands for the free devices of `snapshot.nodes`, and what
    is placed is taken from it.
    """
    turn = _Turn(snapshot, FreeDevices(snapshot.nodes) if free is None else free)
    decisions = [turn.decide(request) for request in in_order(snapshot)]
    turn.let_go()
    return decisions


def starts(snapshot: Snapshot, free: FreeDevices) -> Iterator[Placed]:
    """Decide only who starts now, as `plan` does, of a queue that is in its policy's order already.

    For callers who need no reasons: a blocked queue costs one decision, however long it is.
    """
    turn = _Turn(snapshot, free)
    for request in snapshot.queue:
        decision = turn.decide(request)
        if isinstance(decision, Placed):
            yield decision
        if turn.nobody_passes():
            break
    turn.let_go()


class _Turn:
    """What one plan has promised so far, and the request at whose back the others stand."""

    def __init__(self, snapshot: Snapshot, free: FreeDevices) -> None:
        self._snapshot = snapshot
        self._free = free
        self._room = Room(snapshot.limits, snapshot.sda_slots)
        self._room_behind = self._room
        self._ceiling = snapshot.capacity if snapshot.combine else snapshot.largest_node
        self._passing = snapshot.rules.policy is Policy.BACKFILL
        self._placed: list[tuple[Request, Placed]] = []
        self._head: int | None = None
        self._hold = Hold()
        self._held = 0

    def decide(self, request: Request) -> Decision:
        return self._held_apart(request) or self._held_back(request) or self._place(request)

    def nobody_passes(self) -> bool:
        """Say whether everyone who is still to be decided waits."""
        if self._snapshot.rules.draining:
            return True
        return self._head is not None and (not self._passing or not self._free.total + self._held)

    def let_go(self) -> None:
        """Put what is held for the head back among the free devices."""
        for node, mask in self._hold.devices.items():
            self._free.give_back(node, mask)
        self._hold, self._held = Hold(), 0

    def _held_apart(self, request: Request) -> Waits | None:
        """Say what keeps this one from starting by itself, and so blocks nobody else."""
        if self._snapshot.rules.draining:
            return Waits(request.id, Reason.GROUP_DRAINING, request.devices, 0)
        if request.devices > self._ceiling and self._snapshot.capacity:
            return Waits(request.id, Reason.NEVER_FITS, request.devices, self._ceiling)
        return self._room.too_much(request)

    def _held_back(self, request: Request) -> Waits | None:
        """Say who stands before it: under `backfill` only whom it would delay, else the head."""
        if self._head is None or (self._passing and self._may_pass(request)):
            return None
        return Waits(request.id, Reason.BLOCKED_BY_HEAD, request.devices, self._free.total, self._head)

    def _may_pass(self, request: Request) -> bool:
        """Tell whether it delays nobody: beside what is held, on it when it must be over in time, or not at all."""
        if self._room_behind.too_much(request):
            return False
        if self._fits(request, self._free.total, self._free.best_node()) or self._over_in_time(request):
            return True
        return not self._fits(request, self._free.total + self._held, self._best_with_held())

    def _best_with_held(self) -> int:
        held = ((self._free.on(node) | mask).bit_count() for node, mask in self._hold.devices.items())
        return max(self._free.best_node(), max(held, default=0))

    def _fits(self, request: Request, total: int, best_node: int) -> bool:
        return request.devices <= (total if self._snapshot.combine else best_node)

    def _over_in_time(self, request: Request) -> bool:
        start_ms = self._hold.start_ms
        return (
            start_ms is not None
            and request.limit_ms is not None
            and self._snapshot.now_ms + request.limit_ms <= start_ms
        )

    def _place(self, request: Request) -> Decision:
        devices = self._free.take(request.devices, combine=self._snapshot.combine)
        if devices is None and self._head is not None and self._over_in_time(request):
            devices = self._borrow(request)
        if devices is None:
            return self._stop_at(request)
        self._room.take(request)
        if self._head is not None:
            self._room_behind.take(request)
        placed = Placed(request.id, devices)
        self._placed.append((request, placed))
        return placed

    def _borrow(self, request: Request) -> tuple[tuple[int, int], ...] | None:
        """Take devices that are held for the head too; they are back before it starts."""
        if request.devices > self._free.total + self._held:
            return None
        hold = self._hold
        self.let_go()
        devices = self._free.take(request.devices, combine=self._snapshot.combine)
        self._keep(hold)
        return devices

    def _stop_at(self, request: Request) -> Waits:
        """Note why it does not fit; the first of these is the head."""
        why = self._why_not(request)
        if self._head is not None:
            return why
        self._head = request.id
        victims = victims_of(request, self._snapshot, self._free)
        if self._passing:
            self._room_behind = self._room.without(request)
            self._keep(hold_for(request, self._snapshot, self._free, self._placed, urgent=bool(victims)))
        return Waits(why.request_id, why.reason, why.needed, why.available, victims=victims)

    def _keep(self, hold: Hold) -> None:
        """Take what is held for the head out of the free devices, as far as it is still there."""
        there = {node: held for node, mask in hold.devices.items() if (held := mask & self._free.on(node))}
        for node, mask in there.items():
            self._free.hold(node, mask)
        self._hold = Hold(hold.start_ms, there)
        self._held = sum(mask.bit_count() for mask in there.values())

    def _why_not(self, request: Request) -> Waits:
        total = self._free.total
        if not self._snapshot.nodes:
            return Waits(request.id, Reason.NO_ACTIVE_BACKEND, request.devices, 0)
        if request.devices > total:
            return Waits(request.id, Reason.NOT_ENOUGH_DEVICES, request.devices, total)
        return Waits(request.id, Reason.NO_SINGLE_NODE, request.devices, self._free.best_node())
