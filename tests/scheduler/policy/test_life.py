"""What is promised at one tick holds at later ones: invariants of groups over many ticks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policy.decisions import PendingReason, Waits
from scheduler.policy.forecast import Basis, Expected, forecast
from scheduler.policy.plan import head_of
from scheduler.policy.snapshot import Policy, QueuedRequest, Rules, Snapshot
from scheduler.policy.window import GROWTH, LENGTH_DIVISOR
from tests.scheduler.policy.life import Event, Life, node_states

FOR_EVER = 10**9
NO_PRIORITY = st.just(0)
FEW = settings(max_examples=25)
MANY = settings(max_examples=150)


@dataclass(frozen=True, slots=True)
class Come:
    """A job: when it comes, how many devices it wants, how long it runs, and by how much its limit is longer."""

    at_ms: int
    devices: int
    lasts_ms: int
    spare_ms: int | None
    priority: int = 0

    def request(self, id_: int) -> QueuedRequest:
        limit = None if self.spare_ms is None else self.lasts_ms + self.spare_ms
        return QueuedRequest(id_, 1 + id_ % 3, id_, self.devices, self.priority, self.at_ms, limit)


def jobs(
    *, limited: st.SearchStrategy[int | None], priorities: st.SearchStrategy[int] = NO_PRIORITY
) -> st.SearchStrategy[list[Come]]:
    one = st.builds(
        Come,
        at_ms=st.integers(0, 20),
        devices=st.sampled_from([1, 2, 2, 3, 4, 6]),
        lasts_ms=st.integers(1, 30),
        spare_ms=limited,
        priority=priorities,
    )
    return st.lists(one, min_size=4, max_size=25)


NODES = st.sampled_from([(8,), (8,), (6, 6), (8, 6, 4)])


def alive(
    sizes: tuple[int, ...], coming: list[Come], rules: Rules, *, combine: bool, clean_ms: int = 0, notice_ms: int = 0
) -> Life:
    life = Life(node_states(*sizes), rules, combine, clean_ms, notice_ms)
    for id_, one in enumerate(sorted(coming, key=lambda one: one.at_ms), 1):
        life.arrive(one.request(id_), one.lasts_ms)
    return life


def promises(snapshot: Snapshot, *bases: Basis) -> dict[int, int]:
    """Return by when waiting jobs start at the latest, as far as time limits say it."""
    runs = {request.id: request.limit_ms for request in snapshot.queue if request.limit_ms is not None}
    rest = {job.id: job.ends_ms - snapshot.now_ms for job in snapshot.running if job.ends_ms is not None}
    found = forecast(snapshot, Expected(runs, rest, frozenset({*runs, *rest}))).starts
    return {id_: start.at_ms for id_, start in found.items() if start.basis in bases}


@MANY
@given(
    sizes=NODES,
    coming=jobs(limited=st.none() | st.integers(0, 20)),
    policy=st.sampled_from([Policy.STRICT, Policy.BACKFILL, Policy.BACKFILL]),
    combine=st.booleans(),
    clean_ms=st.sampled_from([0, 4, 8]),
    losses=st.lists(st.tuples(st.integers(0, 40), st.just(1), st.sampled_from([0, 0b11])), max_size=2),
)
def test_the_head_starts_by_its_shadow_time_whatever_passes_or_ends_early_or_is_cleaned(
    *,
    sizes: tuple[int, ...],
    coming: list[Come],
    policy: Policy,
    combine: bool,
    clean_ms: int,
    losses: list[tuple[int, int, int]],
) -> None:
    """Cleaning is what a promise does not foresee: once, at its end, or for each node where a job must fit on one."""
    life = alive(sizes, coming, Rules(policy, guard_ms=40), combine=combine, clean_ms=clean_ms)
    promised: dict[int, int] = {}

    def note(event: Event) -> None:
        head = head_of(event.decisions)
        at_ms = promises(life.snapshot(), Basis.FREE, Basis.LIMITS).get(head or 0)
        if head and at_ms is not None:
            promised[head] = min(promised.get(head, FOR_EVER), at_ms)

    def lose(act: Callable[[], None]) -> None:
        act()
        promised.clear()  # what was taken away was promised, too

    for at_ms, node, mask in losses:
        life.at(at_ms, partial(lose, partial(life.reserve, node, mask) if mask else partial(life.drain, node)))
    life.run(2_000, observed=note)
    for job, at_ms in promised.items():
        assert job in life.began
        assert life.began[job] <= at_ms + clean_ms * (1 if combine else len(sizes))


@MANY
@given(
    sizes=st.sampled_from([(8,), (6, 6), (4, 4, 4)]),
    coming=jobs(limited=st.none() | st.integers(0, 5)),
    policy=st.sampled_from([Policy.STRICT, Policy.BACKFILL, Policy.BACKFILL]),
    combine=st.booleans(),
    windows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 30)), max_size=4),
)
def test_around_maintenance_promises_hold_and_whoever_can_start_does(
    *,
    sizes: tuple[int, ...],
    coming: list[Come],
    policy: Policy,
    combine: bool,
    windows: list[tuple[int, int, int]],
) -> None:
    """`Life` checks at each start that no job with a limit overlaps a window."""
    life = alive(sizes, coming, Rules(policy, guard_ms=40), combine=combine)
    for place, from_ms, lasts_ms in windows:
        node = 1 + place % len(sizes)
        if all(from_ms >= one.to_ms or from_ms + lasts_ms <= one.from_ms for one in life.maintenance.get(node, ())):
            life.maintain(node, from_ms, from_ms + lasts_ms)
    promised: dict[int, int] = {}

    def note(event: Event) -> None:
        head = head_of(event.decisions)
        at_ms = promises(event.snapshot, Basis.FREE, Basis.LIMITS).get(head or 0)
        if head and at_ms is not None:
            promised[head] = min(promised.get(head, FOR_EVER), at_ms)
        for one in event.decisions:
            assert not isinstance(one, Waits) or one.reason != PendingReason.MAINTENANCE or life.maintenance

    life.run(3_000, observed=note)
    assert all(life.began[job] <= at_ms for job, at_ms in promised.items())
    most = sum(sizes) if combine else max(sizes)
    fitting = {id_ for id_, one in enumerate(sorted(coming, key=lambda one: one.at_ms), 1) if one.devices <= most}
    assert life.began.keys() == fitting


@MANY
@given(NODES, jobs(limited=st.integers(0, 20)), st.sampled_from([Policy.STRICT, Policy.BACKFILL]), st.booleans())
def test_nobody_starts_later_than_at_the_latest(
    sizes: tuple[int, ...], coming: list[Come], policy: Policy, combine: bool
) -> None:
    """Of all who wait, where nobody comes later; under `fair` the order changes from tick to tick."""
    coming = [Come(0, one.devices, one.lasts_ms, one.spare_ms) for one in coming]
    life = alive(sizes, coming, Rules(policy, guard_ms=40), combine=combine)
    promised: list[dict[int, int]] = []
    life.run(2_000, observed=lambda _event: promised.append(promises(life.snapshot(), Basis.LIMITS)))
    for promises_then in promised:
        for job, at_ms in promises_then.items():
            assert life.began[job] <= at_ms


@FEW
@given(
    sizes=st.sampled_from([(8,), (4, 4), (4, 8)]),
    combine=st.booleans(),
    longest=st.integers(1, 6),
    guard=st.sampled_from([1, 2, 10, 100]),
    clean_ms=st.sampled_from([0, 2]),
    stays=st.integers(0, 2),
    chance=st.randoms(use_true_random=False),
)
def test_a_head_that_others_pass_starts_within_the_bound(
    *, sizes: tuple[int, ...], combine: bool, longest: int, guard: int, clean_ms: int, stays: int, chance: Random
) -> None:
    """No job that passes holds devices for longer than R, cleaning included: the head starts within
    max(guard time, 30 R) + R, though some jobs never end, a device is out of service, and small jobs never cease.
    """
    r_ms = longest + clean_ms
    bound = max(guard, GROWTH * LENGTH_DIVISOR * r_ms) + r_ms
    life = Life(node_states(*sizes), Rules(Policy.BACKFILL, guard_ms=guard), combine, clean_ms=clean_ms)
    life.reserve(1, 0b1)
    for number in range(stays):
        life.arrive(QueuedRequest(-2 - number, 1, 1, 1, 9, 0, FOR_EVER if number else None), FOR_EVER)
    usable = [sizes[0] - 1, *sizes[1:]]
    wanted = sum(usable) - stays if combine else max(one - stays for one in usable)
    life.arrive(QueuedRequest(-1, 3, 0, wanted, 5, 30), 5)
    ids = count(1)

    def fill(_event: Event | None = None) -> None:
        """Let there be small jobs, whenever one has started."""
        while len(life.queue) < 4:
            request = QueuedRequest(next(ids), 2, 0, chance.choice([1, 1, 1, 2]), 0, life.now_ms)
            life.queue[request.id], life.lasts[request.id] = request, chance.randint(1, longest)

    for at_ms in range(1, 30 + bound + 1):
        life.at(at_ms, fill)
    life.run(30 + bound)
    assert -1 in life.began


@MANY
@given(
    NODES,
    jobs(limited=st.none() | st.integers(0, 20), priorities=st.integers(0, 2)),
    st.sampled_from([Policy.STRICT, Policy.BACKFILL]),
    st.booleans(),
    st.integers(0, 40),
)
def test_whoever_has_to_leave_lets_somebody_start_who_comes_before_him(
    sizes: tuple[int, ...], coming: list[Come], policy: Policy, combine: bool, drained_ms: int
) -> None:
    rules = Rules(policy, guard_ms=5, preempt=True, min_run_ms=2)
    life = alive(sizes, coming, rules, combine=combine, clean_ms=2, notice_ms=3)
    life.at(drained_ms, partial(life.drain, 1))
    priority = {id_: one.priority for id_, one in enumerate(sorted(coming, key=lambda one: one.at_ms), 1)}
    life.run(300)
    for at_ms, job, _wanted_by in life.preempted:
        clean_ms = at_ms + 3 + 2  # others may have had notice up to its length later, and are cleaned then
        for one in sorted(coming, key=lambda one: one.at_ms):  # a new head may need the devices of others as well
            if one.priority > priority[job] and one.at_ms <= clean_ms:
                clean_ms = max(clean_ms, one.at_ms + 3 + 2)
        if not at_ms <= drained_ms <= clean_ms:
            begun = [id_ for id_, began in life.starts if at_ms <= began <= clean_ms]
            assert any(priority[id_] > priority[job] for id_ in begun)


@MANY
@given(NODES, jobs(limited=st.none() | st.integers(0, 20)), st.sampled_from(Policy), st.booleans())
def test_the_numbers_of_pending_reasons_are_true_when_they_are_stored(
    sizes: tuple[int, ...], coming: list[Come], policy: Policy, combine: bool
) -> None:
    life = alive(sizes, coming, Rules(policy, guard_ms=10), combine=combine, clean_ms=2)

    def check(event: Event) -> None:
        free = [room.free.bit_count() for room in life.node_states.values()]
        for waits in event.decisions:
            if isinstance(waits, Waits) and waits.reason is PendingReason.NOT_ENOUGH_DEVICES:
                assert waits.available == sum(free) < waits.needed
            elif isinstance(waits, Waits) and waits.reason is PendingReason.NO_SINGLE_NODE:
                assert waits.available == max(free) < waits.needed <= sum(free)
            elif isinstance(waits, Waits) and waits.reason is PendingReason.BLOCKED_BY_HEAD:
                assert waits.blocker in life.queue

    life.run(300, observed=check)
