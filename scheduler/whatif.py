"""What a change would do to the queues, and whether a job would run, from today's rows. Reads only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic

from scheduler.load import load
from scheduler.outlook import expected_in, patience
from scheduler.policy.forecast import Expected
from scheduler.policy.snapshot import Node, Policy, Running, Snapshot
from scheduler.policy.whatif import Answer, Change, what_if

PATIENCE_S = 2  # seconds of each of the two looks into the future that one answer takes


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asks about; groups, nodes and jobs by id, nodes and jobs with their groups.

    Nodes `drain`, or move to group `to`. Group `group` gets `add` new nodes of `size` devices, and policy `policy`.
    """

    drain: Mapping[int, int] = field(default_factory=dict)
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
        """Give the groups whose queues change, the lowest id first."""
        own = {self.group} if self.add or self.policy else set()
        moved = {self.to, *self.move.values()} if self.move else set()
        return sorted({*self.drain.values(), *self.jobs.values(), *moved, *own})


@dataclass(frozen=True, slots=True)
class Told:
    """What becomes of the queue of one group, as of `now_ms`, found out in `took_s` seconds."""

    group: int
    answer: Answer
    expected: Expected
    now_ms: int
    took_s: float

    @property
    def clear_ms(self) -> int | None:
        """Say when the last job has left the nodes that are to go; None when nobody knows, or nothing runs there."""
        ends = [self.expected.remaining.get(job) for job in self.answer.stay]
        known = [ms for ms in ends if ms is not None]
        return self.now_ms + max(known) if known and len(known) == len(ends) else None


def ask(wish: Wish) -> list[Told]:
    """Say what a change would do if it were made now, for each group whose queue it touches."""
    worlds = {group: load(group, everyone=True) for group in wish.groups}
    expected = {group: expected_in(world) for group, world in worlds.items()}
    return [_tell(wish, group, worlds, expected) for group in worlds]


def answer(group_id: int, change: Change) -> Answer:
    """Say what becomes of a group's queue if a change is made now."""
    snapshot = load(group_id, everyone=True)
    return what_if(snapshot, expected_in(snapshot), change, enough=patience(PATIENCE_S))


def _tell(wish: Wish, group: int, worlds: Mapping[int, Snapshot], expected: Mapping[int, Expected]) -> Told:
    began = monotonic()
    sources = [one for one in worlds if one != group] if wish.move and wish.to == group else []
    change = _change(wish, group, worlds[group])
    for source in sources:
        nodes, running = _taken(worlds[source], {node for node, home in wish.move.items() if home == source})
        change = replace(change, join=(*change.join, *nodes), joining=(*change.joining, *running))
    known = _with_remaining(expected[group], [expected[source] for source in sources])
    found = what_if(worlds[group], known, change, enough=patience(PATIENCE_S))
    return Told(group, found, known, worlds[group].now_ms, monotonic() - began)


def _change(wish: Wish, group: int, world: Snapshot) -> Change:
    """Give what changes in one group, but for the nodes that come from others."""
    mine = group == wish.group
    leave = {node for node, home in wish.move.items() if home == group and wish.to != group}
    return Change(
        drain=frozenset(node for node, home in wish.drain.items() if home == group),
        leave=frozenset(leave),
        add=(wish.size,) * wish.add if mine else (),
        priorities={job: wish.priority for job, home in wish.jobs.items() if home == group},
        rules=replace(world.rules, policy=wish.policy) if mine and wish.policy else None,
    )


def _taken(world: Snapshot, nodes: set[int]) -> tuple[list[Node], list[Running]]:
    """Give nodes of a world with the part of its jobs that runs on them."""
    running = []
    for job in world.running:
        if there := tuple(place for place in job.devices if place[0] in nodes):
            running.append(replace(job, devices=there))
    return [node for node in world.nodes if node.id in nodes], running


def _with_remaining(mine: Expected, others: Iterable[Expected]) -> Expected:
    """Know of jobs on nodes that come what their own group knows of them."""
    remaining = dict(mine.remaining)
    limited = set(mine.limited)
    for other in others:
        remaining = {**other.remaining, **remaining}
        limited |= other.limited
    return Expected(mine.runs, remaining, frozenset(limited))
