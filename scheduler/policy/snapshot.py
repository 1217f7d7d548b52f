"""Snapshot: all that one plan may know, as plain values."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple


class Policy(StrEnum):
    """The policy of a backend group's queue. The values stay as they are on the wire."""

    STRICT = "strict"  # the head blocks those behind it
    BACKFILL = "backfill"  # those behind may pass it as long as they do not delay it
    FAIR = "fair"  # as strict, but within a priority the token with the least decayed usage goes first


class Maintenance(NamedTuple):
    """A maintenance window of a node; `drained` is the mask of the devices that it has taken out of service."""

    from_ms: int
    to_ms: int
    drained: int = 0


class Node(NamedTuple):
    """A node in service; bit i of `free`: device i may be used now; bit i of `coming`: it is cleaned, then free.

    `rack` is "" if it is unknown, or if the rules do not ask for it. `until_ms`: when its next maintenance window
    begins, which may be in the past; None if it has none.
    """

    id: int
    free: int
    size: int
    coming: int = 0
    rack: str = ""
    until_ms: int | None = None


class QueuedRequest(NamedTuple):
    """A waiting job, which needs `devices` devices at once; `limit_ms` is its time limit, None if it has none."""

    id: int
    token_id: int
    sda_id: int
    devices: int
    priority: int
    requested_ms: int
    limit_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A job that holds devices, as (node id, mask); `ends_ms` is when its time limit is over, None if it has none.

    `preempted`: it has notice of preemption. `fixed`: it is a reserved SDA, whose devices nobody may take. `lost`:
    those of its devices that drain, and so are not free when it ends.
    """

    id: int
    token_id: int
    priority: int
    devices: tuple[tuple[int, int], ...]
    started_ms: int
    ends_ms: int | None = None
    preempted: bool = False
    fixed: bool = False
    lost: tuple[tuple[int, int], ...] = ()

    def returning(self, here: Container[int]) -> tuple[tuple[int, int], ...]:
        """Return what becomes free on the nodes `here` when it ends, without devices that drain."""
        lost = dict(self.lost)
        places = ((node, mask & ~lost.get(node, 0)) for node, mask in self.devices if node in here)
        return tuple(place for place in places if place[1])


@dataclass(frozen=True, slots=True)
class Limit:
    """How many devices a token, or a token group, holds now and may hold at most, in all backend groups together."""

    held: int
    most: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of tokens and token groups that have one; `groups_of` has the limited groups of each token.

    `stopped`: tokens that may start no jobs now.
    """

    tokens: Mapping[int, Limit] = field(default_factory=dict)
    groups: Mapping[int, Limit] = field(default_factory=dict)
    groups_of: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a backend group; times are in milliseconds.

    With `backfill`, the first window of a head opens after `guard_ms` (see `window`). With `preempt`, a job may preempt
    jobs of lower priority that have run for `min_run_ms`. A `draining` group starts no jobs. With `one_rack`, a job
    over several nodes gets nodes of the fewest racks (see `racks`).
    """

    policy: Policy = Policy.STRICT
    guard_ms: int = 0
    preempt: bool = False
    min_run_ms: int = 0
    draining: bool = False
    one_rack: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one plan of one backend group may know, as of one moment.

    `nodes`: nodes in service, full ones included; `away`: the sizes of the other nodes.
    `capacity` and `largest_node` count devices in any state.
    `sda_slots`: how many more jobs may start on an SDA now; an SDA that is missing has no limit.
    `decayed_usage`: of tokens, in device-milliseconds (`fair`).
    `heads`: since when waiting jobs are, or were, at the head of the queue (`backfill`).
    `unavailable`: how many devices of `nodes` no job can get, because they are out of service, drain or are reserved;
    None: not read. `attainable`: how many one job could get of the others if all jobs ended (`with_unavailable`).
    `maintenance`: the windows of nodes that are not over, in order (`scheduler.policy.maintenance`).
    """

    group_id: int
    combine: bool
    nodes: tuple[Node, ...]
    queue: tuple[QueuedRequest, ...]
    capacity: int
    largest_node: int
    sda_slots: Mapping[int, int]
    rules: Rules = Rules()
    now_ms: int = 0
    running: tuple[Running, ...] = ()
    limits: Limits = Limits()
    decayed_usage: Mapping[int, float] = field(default_factory=dict)
    heads: Mapping[int, int] = field(default_factory=dict)
    away: Mapping[int, int] = field(default_factory=dict)
    unavailable: Mapping[int, int] | None = None
    attainable: int | None = None
    maintenance: Mapping[int, tuple[Maintenance, ...]] = field(default_factory=dict)

    @property
    def is_guarded(self) -> bool:
        """Whether a job has been at the head of a backfilled queue for the guard time."""
        rules, now_ms = self.rules, self.now_ms
        return rules.policy is Policy.BACKFILL and any(now_ms - ms >= rules.guard_ms for ms in self.heads.values())


def with_unavailable(snapshot: Snapshot, unavailable: Mapping[int, int] | None) -> Snapshot:
    """Return the snapshot with how many devices of its nodes no job can get, and with what that leaves for one job."""
    if unavailable is None:
        return replace(snapshot, unavailable=None, attainable=None)
    left = [node.size - unavailable.get(node.id, 0) for node in snapshot.nodes]
    attainable = sum(left) if snapshot.combine else max(left, default=0)
    return replace(snapshot, unavailable=unavailable, attainable=attainable)
