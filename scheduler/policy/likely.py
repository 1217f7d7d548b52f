"""Which devices are likely to become free for a head while its window is open (ADR 14)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from scheduler.policy.decisions import Placed
from scheduler.policy.placement import FreeDevices
from scheduler.policy.snapshot import Node, QueuedRequest, Running, Snapshot
from scheduler.policy.window import ReservationWindow

Started = Sequence[tuple[QueuedRequest, Placed]]
"""The jobs that start in this plan, with their devices."""


class Likely:
    """Devices that are free, are being cleaned, or are held by jobs that started a short time ago."""

    def __init__(self, now: ReservationWindow, snapshot: Snapshot, free: FreeDevices, placed: Started) -> None:
        self._now, self._nodes, self._free = now, snapshot.nodes, free
        self._devices: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()
        for node in snapshot.nodes:
            self._devices[node.id] = free.on(node.id).bit_count() + node.coming.bit_count()
        for job in snapshot.running:
            if not job.fixed:
                self._count(job.returning(self._devices), job.started_ms, returns=self._returns(job))
        for _request, start in placed:
            self._count(start.devices, snapshot.now_ms, returns=True)

    def of_all(self, head: QueuedRequest) -> dict[int, int] | None:
        """Return all free devices if there will likely be enough for the head; else None."""
        if self._devices.total() < head.devices:
            return None
        return {node.id: mask for node in self._nodes if (mask := self._free.on(node.id))}

    def of_a_node(self, head: QueuedRequest) -> dict[int, int] | None:
        """Return the free devices of one node that will likely have enough for the head; None if there is none.

        If the window never closes, of all such nodes, because the first one to have enough is unknown.
        """
        fitting = [node for node in self._nodes if self._devices[node.id] >= head.devices]
        if not fitting:
            return None
        chosen = fitting if self._now.ends_ms is None else [min(fitting, key=self._in_order)]
        return {node.id: mask for node in chosen if (mask := self._free.on(node.id))}

    def _in_order(self, node: Node) -> tuple[int, int, int, int]:
        """Return a sort key: first nodes on which no job started since the window opened, then the emptiest.

        So the choice stays the same while the window is open.
        """
        return (self._taken[node.id], -self._free.on(node.id).bit_count(), -node.coming.bit_count(), node.id)

    def _returns(self, job: Running) -> bool:
        """Whether a job will likely give its devices back before the window closes."""
        now = self._now
        if job.preempted or now.young_ms is None or job.started_ms >= now.young_ms:
            return True
        return job.ends_ms is not None and now.ends_ms is not None and job.ends_ms <= now.ends_ms

    def _count(self, devices: Iterable[tuple[int, int]], started_ms: int, *, returns: bool) -> None:
        for node, mask in devices:
            count = mask.bit_count()
            self._devices[node] += count if returns else 0
            self._taken[node] += count if started_ms >= self._now.opens_ms else 0
