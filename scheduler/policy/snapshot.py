from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """An active backend; bit i of `free` says that its device i is schedulable and idle."""

    id: int
    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Request:
    """A waiting job, which wants `devices` devices at once; `requested_ms` is in milliseconds."""

    id: int
    token_id: int
    sda_id: int
    devices: int
    priority: int
    requested_ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one plan of one backend group may know; it never changes while the plan is made.

    `nodes` are the active ones, full ones too. `capacity` and `largest_node` count devices in any state.
    `sda_slots` says how many more jobs may start on an SDA now; an SDA that is missing has no limit.
    """

    group_id: int
    combine: bool
    nodes: tuple[Node, ...]
    queue: tuple[Request, ...]
    capacity: int
    largest_node: int
    sda_slots: Mapping[int, int]
