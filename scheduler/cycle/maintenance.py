"""Maintenance windows of a group's nodes, as the policy needs them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from backends.queries.maintenance import NodeWindow, windows_of_group
from core.clock import db_now, to_ms
from scheduler.policy.decisions import Placed
from scheduler.policy.maintenance import after, may_take
from scheduler.policy.snapshot import Maintenance


def read_maintenance(group_id: int, now_ms: int) -> dict[int, tuple[Maintenance, ...]]:
    """Return the windows of a group's nodes that are not over, in order; one query."""
    return as_maintenance(windows_of_group(group_id), now_ms)


def as_maintenance(windows: Iterable[NodeWindow], now_ms: int) -> dict[int, tuple[Maintenance, ...]]:
    """Return windows by node; a window that has begun and has not drained its node yet has drained nothing."""
    found: dict[int, tuple[Maintenance, ...]] = {}
    for one in windows:
        mine = Maintenance(to_ms(one.starts_at), to_ms(one.ends_at), one.drained or 0)
        found[one.backend_id] = (*found.get(one.backend_id, ()), mine)
    return after(found, now_ms)


def kept_out(
    batch: Iterable[Placed], next_windows: Mapping[int, datetime | None], limits_ms: Mapping[int, int | None]
) -> set[int]:
    """Return the jobs that must not start now on these nodes, because of a window that a plan did not know.

    `next_windows`: when the next window of each node begins. `limits_ms`: the time limits of the jobs.
    """
    begins = {node: to_ms(at) for node, at in next_windows.items() if at is not None}
    if not begins:
        return set()
    now_ms = to_ms(db_now())
    return {
        placed.request_id
        for placed in batch
        for node, _mask in placed.devices
        if not may_take(begins.get(node), now_ms, limits_ms.get(placed.request_id))
    }
