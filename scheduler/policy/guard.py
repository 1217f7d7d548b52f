"""What is held for a job at the head of a backfilled queue, so that those who pass do not delay it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scheduler.policy.placement import FreeDevices, pick
from scheduler.policy.reasons import Placed
from scheduler.policy.snapshot import Request, Snapshot

Places = dict[int, int]
"""Masks of devices by node."""
End = tuple[int, tuple[tuple[int, int], ...]]
"""When a job must end, and the masks of devices, with their nodes, that come free then."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The head starts at `start_ms` at the latest (None: nobody knows), on these devices and what comes free."""

    start_ms: int | None = None
    devices: Places = field(default_factory=dict)


def hold_for(
    head: Request,
    snapshot: Snapshot,
    free: FreeDevices,
    placed: Iterable[tuple[Request, Placed]],
    *,
    urgent: bool = False,
) -> Hold:
    """Decide what is held for the head, which does not fit now.

    Where time limits tell when enough comes free, only what the head will need then of what is free now; else, once
    the head has waited for its guard time, or is `urgent` because devices are taken from others for it, all that it
    could use.
    """
    ends = sorted(_ends(snapshot, placed), key=lambda end: end[0])
    hold = (_together if snapshot.combine else _on_one_node)(head, free, ends)
    if hold:
        return hold
    guarded = snapshot.now_ms - head.requested_ms >= snapshot.rules.guard_ms
    return _everything(head, snapshot, free) if guarded or urgent or _being_taken(snapshot) else Hold()


def _being_taken(snapshot: Snapshot) -> bool:
    """Tell whether devices may be on their way from jobs that had to give them back, until the last one is clean."""
    if not snapshot.rules.preempt:
        return False
    return any(job.leaving for job in snapshot.running) or any(node.coming for node in snapshot.nodes)


def _ends(snapshot: Snapshot, placed: Iterable[tuple[Request, Placed]]) -> Iterator[End]:
    """Give when each job that holds devices must end, of those that must, the ones that start now included.

    What comes free on nodes that are not there, since they are silent or shut down, is of no use to anybody.
    """
    here = {node.id for node in snapshot.nodes}
    for running in snapshot.running:
        if running.ends_ms is not None:
            yield running.ends_ms, tuple(place for place in running.devices if place[0] in here)
    for request, start in placed:
        if request.limit_ms is not None:
            yield snapshot.now_ms + request.limit_ms, start.devices


def _together(head: Request, free: FreeDevices, ends: list[End]) -> Hold | None:
    coming = 0
    for at_ms, devices in ends:
        coming += sum(mask.bit_count() for _node, mask in devices)
        if free.total + coming >= head.devices:
            needed_now = max(0, head.devices - coming)
            return Hold(at_ms, _spot(free, needed_now))
    return None


def _spot(free: FreeDevices, count: int) -> Places:
    """Choose free devices by the rules of placement, and leave them where they are."""
    spot = dict(free.take(count, combine=True) or ()) if count else {}
    for node, mask in spot.items():
        free.give_back(node, mask)
    return spot


def _on_one_node(head: Request, free: FreeDevices, ends: list[End]) -> Hold | None:
    coming: dict[int, int] = {}
    for at_ms, devices in ends:
        for node, mask in devices:
            coming[node] = coming.get(node, 0) + mask.bit_count()
            there = free.on(node)
            if there.bit_count() + coming[node] >= head.devices:
                needed_now = max(0, head.devices - coming[node])
                return Hold(at_ms, {node: pick(there, needed_now)} if needed_now else {})
    return None


def _everything(head: Request, snapshot: Snapshot, free: FreeDevices) -> Hold:
    """Hold all free devices, or all of the node that lacks least."""
    if snapshot.combine:
        return Hold(None, {node.id: mask for node in snapshot.nodes if (mask := free.on(node.id))})
    nodes = [node for node in snapshot.nodes if node.size >= head.devices]
    if not nodes:
        return Hold()
    best = min(nodes, key=lambda node: (-free.on(node.id).bit_count(), -node.coming.bit_count(), node.id))
    return Hold(None, {best.id: mask} if (mask := free.on(best.id)) else {})
