"""Plan: decide which waiting jobs start on which devices, and why the others wait. Pure Python."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from scheduler.policy.decisions import BLOCKING, OVER_LIMITS, Decision, PendingReason, Placed, Waits
from scheduler.policy.maintenance import needed_until
from scheduler.policy.ordering import in_order
from scheduler.policy.placement import FreeDevices
from scheduler.policy.preemption import choose_victims
from scheduler.policy.quota import QuotaLedger
from scheduler.policy.racks import free_devices
from scheduler.policy.reservation import Reservation, reserve_for
from scheduler.policy.snapshot import Policy, QueuedRequest, Snapshot

SHORTAGES = (PendingReason.NOT_ENOUGH_DEVICES, PendingReason.NO_SINGLE_NODE, PendingReason.MAINTENANCE)


def plan(snapshot: Snapshot, free: FreeDevices | None = None) -> list[Decision]:
    """Return a decision for every queued request, in the order of the group's policy.

    `free`: the free devices, for callers that use one index for many plans, in place of those of `snapshot.nodes`.
    Devices of placed requests are taken from it.
    """
    made = _Plan(snapshot, free_devices(snapshot.nodes, snapshot.rules) if free is None else free)
    queue = in_order(snapshot)
    decisions = [made.decide(request) for request in queue]
    made.release()
    return made.as_left(queue, decisions)


@dataclass(frozen=True, slots=True)
class Starts:
    """The jobs that start now, the head, which does not, and when its reservation ends."""

    placed: tuple[Placed, ...]
    head: int | None
    until_ms: int | None


def starts(snapshot: Snapshot, free: FreeDevices, queue: Iterable[QueuedRequest] | None = None) -> Starts:
    """Return which jobs start now, as `plan` decides it, from a queue that is already in the order of its policy.

    It returns no pending reasons, so a blocked queue costs one decision however long it is. `queue`: the queue if it is
    not in the snapshot; it is read only as far as needed.
    """
    made = _Plan(snapshot, free)
    placed = []
    for request in snapshot.queue if queue is None else queue:
        if made.surely_waits(request):
            continue
        decision = made.decide(request)
        if isinstance(decision, Placed):
            placed.append(decision)
        if made.nobody_passes():
            break
    until_ms = made.until_ms
    made.release()
    return Starts(tuple(placed), made.head, until_ms)


def heads_after(snapshot: Snapshot, head: int | None, gone: Container[int]) -> dict[int, int]:
    """Return since when jobs have been at the head, with the present head and without jobs that no longer wait."""
    if snapshot.rules.policy is not Policy.BACKFILL:
        return {}
    still_waiting = {job: since_ms for job, since_ms in snapshot.heads.items() if job not in gone}
    return still_waiting if head is None else {head: snapshot.now_ms, **still_waiting}


def head_of(decisions: Iterable[Decision]) -> int | None:
    """Return the head: the first job that waits for devices and is not stuck."""
    waits = (one for one in decisions if isinstance(one, Waits) and not one.stuck)
    return next((one.request_id for one in waits if one.reason in BLOCKING), None)


class _Plan:
    """The state of a plan: what is placed so far, and the head, behind which the others wait."""

    def __init__(self, snapshot: Snapshot, free: FreeDevices) -> None:
        self._snapshot = snapshot
        self._free = free
        self._quota = QuotaLedger(snapshot.limits, snapshot.sda_slots)
        self._quota_behind = self._quota
        self._ceiling = snapshot.capacity if snapshot.combine else snapshot.largest_node
        self._passing = snapshot.rules.policy is Policy.BACKFILL
        self._placed: list[tuple[QueuedRequest, Placed]] = []
        self.head: int | None = None
        self._reservation = Reservation()
        self._reserved = 0

    def decide(self, request: QueuedRequest) -> Decision:
        """Return the decision on a request; requests come in the order of the policy."""
        return self._waits_apart(request) or self._waits_behind(request) or self._place(request)

    def surely_waits(self, request: QueuedRequest) -> bool:
        """Whether a request behind the head is larger than all it could get; a tenth of the cost of a decision."""
        if self.head is None:
            return False
        if self._reservation.shadow_ms is not None and request.limit_ms is not None:
            return False  # it may use what is reserved for the head
        return request.devices > self._free_for(request)

    def nobody_passes(self) -> bool:
        """Whether all requests that are not decided yet wait."""
        if self._snapshot.rules.draining:
            return True
        if self.head is None:
            return False
        borrowed = self._reserved if self._reservation.shadow_ms is not None else 0
        return not self._passing or not self._free.total + borrowed

    @property
    def until_ms(self) -> int | None:
        """Return when the reservation for the head ends if nothing else happens before."""
        return self._reservation.until_ms

    def as_left(self, queue: Iterable[QueuedRequest], decisions: list[Decision]) -> list[Decision]:
        """Return the decisions with the numbers of devices that are free after all have started."""
        total, best_node = self._free.total, self._free.best_node()
        return [
            self._with_free_now(request, one, total, best_node) if isinstance(one, Waits) else one
            for request, one in zip(queue, decisions, strict=True)
        ]

    def _with_free_now(self, request: QueuedRequest, waits: Waits, total: int, best_node: int) -> Waits:
        if waits.reason in OVER_LIMITS:
            return self._quota.violation(request) or waits
        reason, available = waits.reason, total
        if reason in SHORTAGES:
            reason, available = self._shortage(request, total, best_node)
        elif reason is not PendingReason.BLOCKED_BY_HEAD:
            return waits
        if (reason, available) == (waits.reason, waits.available):
            return waits
        return replace(waits, reason=reason, available=available)

    def release(self) -> None:
        """Make the devices that are reserved for the head free again."""
        for node, mask in self._reservation.devices.items():
            self._free.give_back(node, mask)
        self._reservation, self._reserved = Reservation(), 0

    def _waits_apart(self, request: QueuedRequest) -> Waits | None:
        """Return the reason that stops only this request, so that it blocks no other; None if there is none."""
        if self._snapshot.rules.draining:
            return Waits(request.id, PendingReason.GROUP_DRAINING, request.devices, 0)
        if request.devices > self._ceiling and self._snapshot.capacity:
            return Waits(request.id, PendingReason.NEVER_FITS, request.devices, self._ceiling)
        return self._quota.violation(request)

    def _waits_behind(self, request: QueuedRequest) -> Waits | None:
        """Return that the request waits behind the head; with backfill only if it would delay the head."""
        if self.head is None or (self._passing and self._may_pass(request)):
            return None
        return Waits(request.id, PendingReason.BLOCKED_BY_HEAD, request.devices, self._free.total, self.head)

    def _may_pass(self, request: QueuedRequest) -> bool:
        """Whether a request does not delay the head.

        It fits on devices that are not reserved, or it ends before the head starts, or it fits nowhere.
        """
        if self._quota_behind.violation(request):
            return False
        until_ms = self._until(request)
        total, best_node = self._free.total_until(until_ms), self._free.best_node(until_ms)
        if self._fits(request, total, best_node) or self._over_in_time(request):
            return True
        return not self._fits(request, *self._with_reserved(until_ms, total, best_node))

    def _with_reserved(self, until_ms: int, total: int, best_node: int) -> tuple[int, int]:
        """Return the number of free devices, and that of the best node, with those that are reserved for the head."""
        for node, mask in self._reservation.devices.items():
            if self._free.lasts(node, until_ms):
                total += mask.bit_count()
                best_node = max(best_node, (self._free.on(node) | mask).bit_count())
        return total, best_node

    def _free_for(self, request: QueuedRequest) -> int:
        """Return how many free devices a request may use, on the best node if it needs one."""
        until_ms = self._until(request)
        return self._free.total_until(until_ms) if self._snapshot.combine else self._free.best_node(until_ms)

    def _until(self, request: QueuedRequest) -> int:
        """Return until when the nodes of a request must be free of maintenance; 0 if no node has any."""
        return needed_until(self._snapshot.now_ms, request.limit_ms) if self._free.in_parts else 0

    def _fits(self, request: QueuedRequest, total: int, best_node: int) -> bool:
        return request.devices <= (total if self._snapshot.combine else best_node)

    def _over_in_time(self, request: QueuedRequest) -> bool:
        shadow_ms = self._reservation.shadow_ms
        return (
            shadow_ms is not None
            and request.limit_ms is not None
            and self._snapshot.now_ms + request.limit_ms <= shadow_ms
        )

    def _place(self, request: QueuedRequest) -> Decision:
        until_ms = self._until(request) if self._free.in_parts else 0
        devices = self._free.take(request.devices, combine=self._snapshot.combine, until_ms=until_ms)
        if devices is None and self.head is not None and self._over_in_time(request):
            devices = self._borrow(request)
        if devices is None:
            return self._stop_at(request)
        self._quota.take(request)
        if self.head is not None:
            self._quota_behind.take(request)
        placed = Placed(request.id, devices)
        self._placed.append((request, placed))
        return placed

    def _borrow(self, request: QueuedRequest) -> tuple[tuple[int, int], ...] | None:
        """Take devices of which some may be reserved for the head; the request ends before the head starts."""
        if request.devices > self._free.total + self._reserved:
            return None
        reservation = self._reservation
        self.release()
        devices = self._free.take(request.devices, combine=self._snapshot.combine, until_ms=self._until(request))
        self._reserve(reservation)
        return devices

    def _stop_at(self, request: QueuedRequest) -> Waits:
        """Return why the request does not fit; the first such request that is not stuck becomes the head."""
        waits = self._missing(request)
        if self.head is not None:
            return waits
        if self._is_stuck(request) or self._waits_for_maintenance(request):
            return replace(waits, stuck=True)
        self.head = request.id
        victims = choose_victims(request, self._snapshot, self._free)
        if self._passing:
            self._quota_behind = self._quota.without(request)
            self._reserve(reserve_for(request, self._snapshot, self._free, self._placed, victims))
        return Waits(waits.request_id, waits.reason, waits.needed, waits.available, victims=victims)

    def _is_stuck(self, request: QueuedRequest) -> bool:
        """Whether no end of a job lets it start, and a head has been guarded for long enough to look at that."""
        most = self._snapshot.attainable
        return self._passing and most is not None and request.devices > most and self._snapshot.is_guarded

    def _waits_for_maintenance(self, request: QueuedRequest) -> bool:
        """Whether the nodes without maintenance until its end are too few for a request, and all nodes are not."""
        if not self._free.in_parts:
            return False
        most, all_nodes = (
            self._free.most_until(until_ms, combine=self._snapshot.combine) for until_ms in (self._until(request), 0)
        )
        return most < request.devices <= all_nodes

    def _reserve(self, reservation: Reservation) -> None:
        """Take the devices that are reserved for the head, as far as they are still free."""
        there = {node: free for node, mask in reservation.devices.items() if (free := mask & self._free.on(node))}
        for node, mask in there.items():
            self._free.take_exactly(node, mask)
        self._reservation = Reservation(reservation.shadow_ms, there, reservation.until_ms)
        self._reserved = sum(mask.bit_count() for mask in there.values())

    def _missing(self, request: QueuedRequest) -> Waits:
        if not self._snapshot.nodes:
            return Waits(request.id, PendingReason.NO_ACTIVE_BACKEND, request.devices, 0)
        reason, available = self._shortage(request, self._free.total, self._free.best_node())
        return Waits(request.id, reason, request.devices, available)

    def _shortage(self, request: QueuedRequest, total: int, best_node: int) -> tuple[PendingReason, int]:
        """Return why a request finds no devices, and how many there are; `total` and `best_node` are free ones."""
        if self._free.in_parts and (self._fits(request, total, best_node) or self._waits_for_maintenance(request)):
            return PendingReason.MAINTENANCE, self._free_for(request)
        if request.devices > total:
            return PendingReason.NOT_ENOUGH_DEVICES, total
        return PendingReason.NO_SINGLE_NODE, best_node
