"""What is reserved for the head of a backfilled queue, so that jobs that pass it do not starve it (ADR 14)."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from scheduler.policy.decisions import Placed
from scheduler.policy.likely import Likely, Started
from scheduler.policy.maintenance import needed_until, usable_until
from scheduler.policy.placement import FreeDevices, pick
from scheduler.policy.snapshot import QueuedRequest, Snapshot
from scheduler.policy.window import ReservationWindow, window

Places = dict[int, int]
"""Masks of devices by node."""
End = tuple[int, tuple[tuple[int, int], ...]]
"""When devices become free at the latest, and the devices as (node id, mask)."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Devices that are reserved for the head, which starts at the shadow time `shadow_ms` at the latest.

    `shadow_ms` is None if unknown. `until_ms` is when the window closes and others may use the devices.
    """

    shadow_ms: int | None = None
    devices: Places = field(default_factory=dict)
    until_ms: int | None = None


def reserve_for(
    head: QueuedRequest, snapshot: Snapshot, free: FreeDevices, placed: Started, victims: Collection[int] = ()
) -> Reservation:
    """Return what is reserved for the head, which does not fit now; `victims` are preempted for it.

    If it is known when enough devices become free, it is what the head will then need of the devices that are free now.
    While a window is open that closes earlier, it is all free devices, if they will likely be enough. Nodes count only
    as long as the head would be over before their maintenance begins.
    """
    snapshot = _with_preempted(snapshot, victims)
    if free.in_parts:
        snapshot = usable_until(snapshot, needed_until(snapshot.now_ms, head.limit_ms))
        placed = _placed_on(snapshot, placed)
    ends = sorted(_ends(snapshot, placed))
    shadow = (_together if snapshot.combine else _on_one_node)(head, snapshot, free, ends) or Reservation()
    now = window(snapshot.heads.get(head.id, snapshot.now_ms), snapshot.rules.guard_ms, snapshot.now_ms)
    if now is None or _starts_before_it_closes(shadow, now):
        return shadow
    likely = Likely(now, snapshot, free, placed)
    places = likely.of_all(head) if snapshot.combine else likely.of_a_node(head)
    if places is None:
        return shadow
    both = {node: places.get(node, 0) | shadow.devices.get(node, 0) for node in {**shadow.devices, **places}}
    return Reservation(None, both, now.ends_ms)


def _with_preempted(snapshot: Snapshot, victims: Collection[int]) -> Snapshot:
    if not victims:
        return snapshot
    running = (replace(job, preempted=True) if job.id in victims else job for job in snapshot.running)
    return replace(snapshot, running=tuple(running))


def _placed_on(snapshot: Snapshot, placed: Started) -> Started:
    """Return the jobs that start in this plan with only their devices on nodes of the snapshot."""
    here = {node.id for node in snapshot.nodes}
    on_nodes = (tuple(place for place in start.devices if place[0] in here) for _request, start in placed)
    return [(one, Placed(one.id, places)) for (one, _start), places in zip(placed, on_nodes, strict=True) if places]


def _starts_before_it_closes(shadow: Reservation, now: ReservationWindow) -> bool:
    """Whether the head starts before the window closes, so that it does not need the window."""
    return shadow.shadow_ms is not None and now.ends_ms is not None and shadow.shadow_ms <= now.ends_ms


def _ends(snapshot: Snapshot, placed: Started) -> Iterator[End]:
    """Yield when devices surely become free: those of jobs with a limit, of preempted jobs, and those being cleaned.

    The devices of a job over its limit or of a preempted job, and those being cleaned, become free soon, but it is
    unknown when: they count as of now. While they are enough for the head, all free devices are reserved, because a job
    that passed would delay it.
    """
    here = frozenset(node.id for node in snapshot.nodes)
    for node in snapshot.nodes:
        if node.coming:
            yield snapshot.now_ms, ((node.id, node.coming),)
    for job in snapshot.running:
        if job.preempted:
            yield snapshot.now_ms, job.returning(here)
        elif job.ends_ms is not None:
            yield max(snapshot.now_ms, job.ends_ms), job.returning(here)
    for request, start in placed:
        if request.limit_ms is not None:
            yield snapshot.now_ms + request.limit_ms, start.devices


def _together(head: QueuedRequest, snapshot: Snapshot, free: FreeDevices, ends: Iterable[End]) -> Reservation | None:
    coming, closing = 0, _Closing(head, snapshot)
    there = free.total_until(needed_until(snapshot.now_ms, head.limit_ms))
    for at_ms, devices in ends:
        for node in closing.closed_before(at_ms):
            there -= free.on(node).bit_count()
            coming -= closing.came_back[node]
        for node, mask in devices:
            if node not in closing.closed:
                coming += mask.bit_count()
                closing.came_back[node] += mask.bit_count()
        if there + coming >= head.devices:
            if at_ms <= snapshot.now_ms:
                return Reservation(at_ms, {node.id: mask for node in snapshot.nodes if (mask := free.on(node.id))})
            needed_now = max(0, head.devices - coming)
            return Reservation(at_ms, _spot(free, needed_now, needed_until(at_ms, head.limit_ms)))
    return None


class _Closing:
    """Nodes with maintenance, which are closed for the head when it would not be over before that begins."""

    def __init__(self, head: QueuedRequest, snapshot: Snapshot) -> None:
        lasts = needed_until(0, head.limit_ms)
        self._open = sorted(
            ((node.until_ms - lasts, node.id) for node in snapshot.nodes if node.until_ms is not None), reverse=True
        )
        self.closed: set[int] = set()
        self.came_back: Counter[int] = Counter()

    def closed_before(self, at_ms: int) -> Iterator[int]:
        """Yield the nodes that are closed by then and were not before."""
        while self._open and self._open[-1][0] < at_ms:
            _last_ms, node = self._open.pop()
            self.closed.add(node)
            yield node


def _spot(free: FreeDevices, count: int, until_ms: int) -> Places:
    """Return free devices chosen by the rules of placement, without taking them."""
    spot = dict(free.take(count, combine=True, until_ms=until_ms) or ()) if count else {}
    for node, mask in spot.items():
        free.give_back(node, mask)
    return spot


def _on_one_node(head: QueuedRequest, snapshot: Snapshot, free: FreeDevices, ends: Sequence[End]) -> Reservation | None:
    soon: Counter[int] = Counter()
    for at_ms, devices in ends:
        for node, mask in devices if at_ms <= snapshot.now_ms else ():
            soon[node] += mask.bit_count()
    there = {node: free.on(node) for node in soon}
    enough = [node for node in soon if there[node].bit_count() + soon[node] >= head.devices]
    if enough:
        best = min(enough, key=lambda node: (-there[node].bit_count(), node))
        return Reservation(snapshot.now_ms, {best: there[best]} if there[best] else {})
    return _on_one_node_later(head, free, ends)


def _on_one_node_later(head: QueuedRequest, free: FreeDevices, ends: Iterable[End]) -> Reservation | None:
    coming: Counter[int] = Counter()
    for at_ms, devices in ends:
        until_ms = needed_until(at_ms, head.limit_ms)
        for node, mask in devices:
            if not free.lasts(node, until_ms):
                continue
            coming[node] += mask.bit_count()
            there = free.on(node)
            if there.bit_count() + coming[node] >= head.devices:
                needed_now = max(0, head.devices - coming[node])
                return Reservation(at_ms, {node: pick(there, needed_now)} if needed_now else {})
    return None
