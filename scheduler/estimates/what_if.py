"""What-if: the effect of a change on the queues, from the present rows. Reads only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from backends.queries import out_of_service
from core.clock import to_ms
from core.snapshot import one_snapshot
from scheduler.cycle.load import load
from scheduler.estimates.runtime_history import expected_runs
from scheduler.estimates.start_estimates import deadline
from scheduler.policy.forecast import Expected
from scheduler.policy.snapshot import Maintenance, Node, Policy, Running, Snapshot
from scheduler.policy.what_if import WhatIfChange, WhatIfResult, what_if

DEADLINE_S = 2  # seconds of each of the two forecasts of one group


@dataclass(frozen=True, slots=True)
class ProposedChange:
    """The change that an operator considers; nodes and jobs are mapped to their groups, all by id.

    `drain`: nodes that drain. `maintain`: nodes that are in maintenance in `window`. `move`: nodes that move to group
    `to`. Group `group` gets `add` new nodes of `size` devices, and policy `policy`. `jobs` get `priority`.
    """

    drain: Mapping[int, int] = field(default_factory=dict)
    maintain: Mapping[int, int] = field(default_factory=dict)
    window: tuple[datetime, datetime] | None = None
    move: Mapping[int, int] = field(default_factory=dict)
    to: int = 0
    group: int = 0
    add: int = 0
    size: int = 0
    policy: Policy | None = None
    jobs: Mapping[int, int] = field(default_factory=dict)
    priority: int = 0

    @property
    def groups(self) -> list[int]:
        """Return the ids of the groups whose queues change, in order."""
        own = {self.group} if self.add or self.policy else set()
        moved = {self.to, *self.move.values()} if self.move else set()
        return sorted({*self.drain.values(), *self.maintain.values(), *self.jobs.values(), *moved, *own})


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The effect on the queue of one group, as of `now_ms`; it took `took_s` seconds to compute."""

    group: int
    result: WhatIfResult
    expected: Expected
    now_ms: int
    took_s: float

    @property
    def clear_ms(self) -> int | None:
        """Return when the last job on nodes that drain or leave ends; None if unknown, or if none runs there."""
        ends = [self.expected.remaining.get(job) for job in self.result.stay]
        known = [ms for ms in ends if ms is not None]
        return self.now_ms + max(known) if known and len(known) == len(ends) else None


def evaluate(proposed: ProposedChange) -> list[GroupResult]:
    """Return the effect of a change for each group whose queue changes."""
    with one_snapshot():
        snapshots = {group: load(group, everyone=True, racks=True) for group in proposed.groups}
        expected = {group: expected_runs(snapshot) for group, snapshot in snapshots.items()}
        out = out_of_service(snapshots)
    return [_evaluate(proposed, group, snapshots, expected, out) for group in snapshots]


def _evaluate(
    proposed: ProposedChange,
    group: int,
    snapshots: Mapping[int, Snapshot],
    expected: Mapping[int, Expected],
    out: Mapping[int, int],
) -> GroupResult:
    began = monotonic()
    sources = [one for one in snapshots if one != group] if proposed.move and proposed.to == group else []
    change = _change(proposed, group, snapshots[group])
    for source in sources:
        moved = {node for node, home in proposed.move.items() if home == source}
        nodes, running = _taken(snapshots[source], moved)
        away = {node: size for node, size in snapshots[source].away.items() if node in moved}
        change = replace(
            change,
            join=(*change.join, *nodes),
            joining=(*change.joining, *running),
            join_away={**change.join_away, **away},
            join_unavailable={**change.join_unavailable, **(snapshots[source].unavailable or {})},
            join_maintenance={
                **change.join_maintenance,
                **{node: mine for node, mine in snapshots[source].maintenance.items() if node in moved},
            },
        )
    known = _with_remaining(expected[group], [expected[source] for source in sources])
    found = what_if(snapshots[group], known, change, out=out, enough=deadline(DEADLINE_S))
    return GroupResult(group, found, known, snapshots[group].now_ms, monotonic() - began)


def _change(proposed: ProposedChange, group: int, snapshot: Snapshot) -> WhatIfChange:
    """Return the change of one group, without nodes that come from other groups."""
    mine = group == proposed.group
    leave = {node for node, home in proposed.move.items() if home == group and proposed.to != group}
    return WhatIfChange(
        drain=frozenset(node for node, home in proposed.drain.items() if home == group),
        leave=frozenset(leave),
        maintain=_maintained(proposed, group, snapshot.now_ms),
        add=(proposed.size,) * proposed.add if mine else (),
        priorities={job: proposed.priority for job, home in proposed.jobs.items() if home == group},
        rules=replace(snapshot.rules, policy=proposed.policy) if mine and proposed.policy else None,
    )


def _maintained(proposed: ProposedChange, group: int, now_ms: int) -> dict[int, Maintenance]:
    """Return the new windows of nodes of a group; one that should have begun begins now."""
    if proposed.window is None:
        return {}
    starts_at, ends_at = proposed.window
    window = Maintenance(max(now_ms, to_ms(starts_at)), to_ms(ends_at))
    return {node: window for node, home in proposed.maintain.items() if home == group}


def _taken(snapshot: Snapshot, nodes: set[int]) -> tuple[list[Node], list[Running]]:
    """Return nodes of a snapshot, and its jobs on these nodes with only their devices there."""
    running = []
    for job in snapshot.running:
        if there := tuple(place for place in job.devices if place[0] in nodes):
            running.append(replace(job, devices=there))
    return [node for node in snapshot.nodes if node.id in nodes], running


def _with_remaining(mine: Expected, others: Iterable[Expected]) -> Expected:
    """Return the expected runs of a group together with those of the groups from which nodes come."""
    remaining = dict(mine.remaining)
    limited = set(mine.limited)
    for other in others:
        remaining = {**other.remaining, **remaining}
        limited |= other.limited
    return Expected(mine.runs, remaining, frozenset(limited))
