from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Policy(StrEnum):
    """How a backend group's queue is served: an operator's choice. The values stay as they are on the wire."""

    STRICT = "strict"  # the head blocks those behind it
    BACKFILL = "backfill"  # those behind may pass as long as they do not delay a head that is guarded
    FAIR = "fair"  # as strict, but within a priority the token that used least lately goes first


class Node(NamedTuple):
    """An active backend; bit i of `free` says that its device i is schedulable and idle, of `coming` that it is
    being cleaned."""

    id: int
    free: int
    size: int
    coming: int = 0


class Request(NamedTuple):
    """A waiting job, which wants `devices` devices at once; `requested_ms` is in milliseconds.

    `limit_ms` is how long it may run at most, where that is known.
    """

    id: int
    token_id: int
    sda_id: int
    devices: int
    priority: int
    requested_ms: int
    limit_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A job that holds devices, as (node id, mask); `ends_ms` is when its time limit is over, None when it has none.

    `leaving`: it has been told to give them back. `fixed`: nobody may take them (a reserved SDA).
    """

    id: int
    token_id: int
    priority: int
    devices: tuple[tuple[int, int], ...]
    started_ms: int
    ends_ms: int | None = None
    leaving: bool = False
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """How many devices a token, or a token group, holds now and may hold at most, in all backend groups together."""

    held: int
    most: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of those tokens and token groups that have one; `groups_of` names the limited groups of a token.

    `stopped` are the tokens that may start nothing now.
    """

    tokens: Mapping[int, Limit] = field(default_factory=dict)
    groups: Mapping[int, Limit] = field(default_factory=dict)
    groups_of: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator has chosen for a backend group; times are in milliseconds.

    A head that has waited longer than `guard_ms` gets what comes free held for it (`backfill`). With `preempt`, a job
    may take the devices of jobs of lower priority that have run for `min_run_ms`. A `draining` group starts nothing.
    """

    policy: Policy = Policy.STRICT
    guard_ms: int = 0
    preempt: bool = False
    min_run_ms: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one plan of one backend group may know; it never changes while the plan is made.

    `nodes` are the active ones, full ones too. `capacity` and `largest_node` count devices in any state.
    `sda_slots` says how many more jobs may start on an SDA now; an SDA that is missing has no limit.
    `spent` is the device-time in milliseconds that tokens used lately, old use counting less (`fair`).
    """

    group_id: int
    combine: bool
    nodes: tuple[Node, ...]
    queue: tuple[Request, ...]
    capacity: int
    largest_node: int
    sda_slots: Mapping[int, int]
    rules: Rules = Rules()
    now_ms: int = 0
    running: tuple[Running, ...] = ()
    limits: Limits = Limits()
    spent: Mapping[int, float] = field(default_factory=dict)
