"""One rack before two: what is promised, beside an exhaustive search, and that no job starts at another time."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.decisions import Decision, Placed, Waits
from scheduler.policy.placement import FreeDevices
from scheduler.policy.plan import plan
from scheduler.policy.racks import RackedDevices, free_devices
from scheduler.policy.snapshot import Node, Policy, Rules, Snapshot
from scheduler.replay.engine import replay
from scheduler.replay.trace import TraceJob, TraceNode
from tests.scheduler.policy.snapshots import live_snapshots, nodes, nodes_by_the_book

F = 0xFF
ONE_RACK = Rules(one_rack=True)
TAKES = {
    "two whole nodes of one rack": ([(1, F, "a"), (2, F, "b"), (3, F, "b")], 16, {2: F, 3: F}),
    "the smallest rack that has enough": (
        [(1, F, "a"), (2, F, "a"), (3, F, "a"), (4, F, "b"), (5, F, "b")],
        16,
        {4: F, 5: F},
    ),
    "no rack has enough: the largest, and the rest where it is smallest": (
        [(1, F, "a"), (2, F, "b"), (3, F, "b"), (4, F, "c"), (5, F, "c"), (6, F, "c")],
        32,
        {4: F, 5: F, 6: F, 1: F},
    ),
    "the rest stays in the rack, also where it leaves more free": (
        [(1, F, "a"), (2, 0b11111, "a"), (3, 0b1111, "b")],
        12,
        {1: F, 2: 0b1111},
    ),
    "the rack that also has devices for the rest": (
        [(1, F, "a"), (2, F, "b"), (3, 0b1111, "b"), (4, 0b1111, "c")],
        12,
        {2: F, 3: 0b1111},
    ),
    "whole nodes first, also where they are in two racks": (
        [(1, F, "a"), (2, F, "b"), *((number, 0b1111, "c") for number in range(3, 7))],
        16,
        {1: F, 2: F},
    ),
    "a job of one node goes where it always goes": ([(1, F, "a"), (2, 0b111, "b")], 3, {2: 0b111}),
    "a node without a rack is a rack of its own": (
        [(1, F, ""), (2, F, ""), (3, F, "a"), (4, F, "a")],
        16,
        {3: F, 4: F},
    ),
}


def racked(drawn: tuple[Node, ...], racks: list[str]) -> tuple[Node, ...]:
    return tuple(node._replace(rack=racks[place % len(racks)]) for place, node in enumerate(drawn))


def racks_of(chosen: set[int], places: tuple[Node, ...]) -> int:
    return len({node.rack or node.id for node in places if node.id in chosen})


def fewest_by_search(places: tuple[Node, ...], count: int) -> int:
    """Try all sets of nodes of the same kinds, with each node that has enough for the rest."""
    sizes = {node.id: node.size for node in places}
    masks = {node.id: node.free for node in places}
    left = {id_: mask.bit_count() for id_, mask in masks.items()}
    *whole, (_last, rest) = nodes_by_the_book(masks, sizes, count, True)
    kinds = Counter((left[id_], left[id_] == sizes[id_]) for id_, _count in whole)
    members = {kind: [id_ for id_ in left if (left[id_], left[id_] == sizes[id_]) == kind] for kind in kinds}
    best = len(places)
    for parts in product(*(combinations(members[kind], number) for kind, number in kinds.items())):
        taken = {id_ for part in parts for id_ in part}
        for last in (id_ for id_ in left if id_ not in taken and left[id_] >= rest):
            best = min(best, racks_of({*taken, last}, places))
    return best


def test_the_nodes_of_a_job() -> None:
    for case, (masks, count, wanted) in TAKES.items():
        index = free_devices([Node(id_, mask, 8, rack=rack) for id_, mask, rack in masks], ONE_RACK)
        assert dict(index.take(count, combine=True) or ()) == wanted, case


def test_without_the_preference_or_without_racks_nothing_is_kept() -> None:
    known = [Node(1, F, 8, rack="a")]
    assert type(free_devices(known, Rules())) is FreeDevices
    assert type(free_devices([Node(1, F, 8)], ONE_RACK)) is FreeDevices
    assert type(free_devices(known, ONE_RACK)) is RackedDevices


@given(nodes(most=8), st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=8), st.data())
def test_no_placement_of_the_same_kinds_has_fewer_racks(
    drawn: tuple[Node, ...], racks: list[str], data: st.DataObject
) -> None:
    """Take and give back at random on one index; each time an exhaustive search must not find fewer racks."""
    places = {node.id: node for node in racked(drawn, racks)}
    index = RackedDevices(places.values())
    held: list[tuple[tuple[int, int], ...]] = []
    for _step in range(data.draw(st.integers(1, 8))):
        now = tuple(node for node in places.values())
        sizes, masks = {node.id: node.size for node in now}, {node.id: node.free for node in now}
        count = data.draw(st.integers(1, 60))
        taken = index.take(count, combine=True)
        book = nodes_by_the_book(masks, sizes, count, True)
        assert [mask.bit_count() for _id, mask in taken or ()] == [number for _id, number in book]
        if taken is None:
            assert index.total == sum(node.free.bit_count() for node in now)
        else:
            assert racks_of({id_ for id_, _mask in taken}, now) == fewest_by_search(now, count)
            held.append(taken)
            for id_, mask in taken:
                assert mask & ~places[id_].free == 0
                places[id_] = places[id_]._replace(free=places[id_].free & ~mask)
        give_back: bool = data.draw(st.booleans())
        if held and give_back:
            for id_, mask in held.pop(data.draw(st.integers(0, len(held) - 1))):
                index.give_back(id_, mask)
                places[id_] = places[id_]._replace(free=places[id_].free | mask)


def outcome(decision: Decision) -> object:
    """What a customer notices of a decision besides where the job runs."""
    return decision.request_id if isinstance(decision, Placed) else (decision.reason, decision.needed)


@given(live_snapshots(), st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=8))
def test_the_same_jobs_start(snapshot: Snapshot, racks: list[str]) -> None:
    with_racks = replace(snapshot, nodes=racked(snapshot.nodes, racks))
    without, preferred = (
        plan(replace(with_racks, rules=replace(snapshot.rules, one_rack=one_rack))) for one_rack in (False, True)
    )
    assert list(map(outcome, preferred)) == list(map(outcome, without))
    assert not [one for one in preferred if isinstance(one, Waits) and one.available < 0]


JOBS = st.lists(
    st.builds(
        TraceJob,
        name=st.just("job"),
        user=st.sampled_from("uvw"),
        devices=st.integers(1, 8) | st.integers(1, 40),
        priority=st.integers(-1, 1),
        submitted_ms=st.integers(0, 50),
        run_ms=st.integers(1, 60),
        limit_ms=st.none() | st.integers(1, 60),
    ),
    max_size=20,
)


@given(st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=8), JOBS, st.sampled_from(list(Policy)))
def test_no_job_starts_at_another_time(sizes: list[int], jobs: list[TraceJob], policy: Policy) -> None:
    cluster = [TraceNode(f"n{place}", size, "abc"[place % 3]) for place, size in enumerate(sizes)]
    ordered = sorted(jobs, key=lambda job: job.submitted_ms)
    rules = Rules(policy, guard_ms=40)
    runs = [replay(cluster, ordered, rules=replace(rules, one_rack=one_rack)).runs for one_rack in (False, True)]
    started = [sorted((run.job.submitted_ms, run.job.devices, run.start_ms, run.end_ms) for run in one) for one in runs]
    assert started[0] == started[1]
