"""Maintenance windows of nodes: which jobs a node may take before the next one begins.

A job with a time limit must be over before the window begins. A job without one may start until then; the node drains
when the window begins. A reserved SDA has no end, so it gets no node with a window. Plans, forecasts and the check at
binding ask these functions; nothing else decides it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduler.policy.snapshot import Maintenance, Node, Snapshot

ENDLESS_MS = 1 << 53
"""The time limit of a reserved SDA, as far as maintenance is concerned."""
Windows = Mapping[int, tuple[Maintenance, ...]]
"""The windows of nodes that are not over, in order."""


def needed_until(now_ms: int, limit_ms: int | None) -> int:
    """Return until when a node must be free of maintenance for a job that starts now."""
    return now_ms + (1 if limit_ms is None else limit_ms)


def may_take(until_ms: int | None, now_ms: int, limit_ms: int | None) -> bool:
    """Whether a node whose next window begins at `until_ms` may take a job now."""
    return until_ms is None or until_ms >= needed_until(now_ms, limit_ms)


def with_maintenance(nodes: Sequence[Node], windows: Windows) -> tuple[Node, ...]:
    """Return the nodes with the beginning of their next window."""
    if not windows:
        return tuple(nodes)  # most groups
    return tuple(node._replace(until_ms=_begins(windows.get(node.id, ()))) for node in nodes)


def _begins(windows: Sequence[Maintenance]) -> int | None:
    return windows[0].from_ms if windows else None


def usable_until(snapshot: Snapshot, until_ms: int) -> Snapshot:
    """Return the snapshot with only the nodes that have no maintenance before `until_ms`."""
    nodes = tuple(node for node in snapshot.nodes if node.until_ms is None or node.until_ms >= until_ms)
    return snapshot if len(nodes) == len(snapshot.nodes) else replace(snapshot, nodes=nodes)


def after(windows: Windows, now_ms: int) -> dict[int, tuple[Maintenance, ...]]:
    """Return the windows that are not over at a moment."""
    left = {node: tuple(one for one in mine if one.to_ms > now_ms) for node, mine in windows.items()}
    return {node: mine for node, mine in left.items() if mine}
