from collections import defaultdict
from time import monotonic

from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.ordering import queue_order
from scheduler.policy.snapshot import QueuedRequest
from scheduler.replay.engine import Replay, ReplayedRun, replay
from scheduler.replay.trace import TraceJob, TraceNode, read_jobs, read_nodes
from tests.scheduler.replay.files import DATA
from usage.metering import Interval, held

NODE_A, NODE_B = 0, 1


def small_replay() -> Replay:
    return replay(read_nodes(DATA / "nodes.csv"), read_jobs(DATA / "alibaba.csv").jobs)


def test_the_small_trace_to_the_second() -> None:
    outcome = small_replay()
    assert [(run.job.name, run.start_ms / 1000, run.end_ms / 1000, run.devices) for run in outcome.runs] == [
        ("whole-node", 0, 100, ((NODE_A, 0xFF),)),
        ("two", 10, 60, ((NODE_B, 0b11),)),
        ("share", 60, 70, ((NODE_B, 0b01),)),
        ("overtakes", 65, 75, ((NODE_B, 0b10),)),
        ("best-effort", 100, 120, ((NODE_A, 0b1111),)),
        ("over-at-once", 130, 130, ((NODE_B, 0b01),)),
    ]
    assert [job.name for job in outcome.unplaceable] == ["too-large"]


def test_no_nodes_place_nothing_and_lose_nothing() -> None:
    jobs = read_jobs(DATA / "alibaba.csv").jobs
    assert replay([], jobs) == Replay((), (), jobs)


def test_what_one_leaves_the_next_takes_at_the_same_instant() -> None:
    jobs = [TraceJob("a", "u", 2, 0, 0, 10), TraceJob("b", "u", 2, 0, 5, 0), TraceJob("c", "u", 2, 0, 5, 3)]
    outcome = replay([TraceNode("n", 2)], jobs)
    assert [(run.job.name, run.start_ms, run.end_ms) for run in outcome.runs] == [
        ("a", 0, 10),
        ("b", 10, 10),
        ("c", 10, 13),
    ]


sizes = st.sampled_from([1, 2, 4, 8])
worlds = st.lists(st.builds(TraceNode, st.just("n"), sizes), max_size=4)
jobs_of_worlds = st.lists(
    st.tuples(
        st.integers(1, 5) | st.integers(1, 35), st.sampled_from([-10, 0, 10]), st.integers(0, 20), st.integers(0, 15)
    ),
    max_size=20,
)


@given(worlds, jobs_of_worlds)
def test_every_invariant_of_a_replay(nodes: list[TraceNode], drawn: list[tuple[int, int, int, int]]) -> None:
    drawn.sort(key=lambda job: job[2])
    jobs = [TraceJob(f"j{i}", "u", *job) for i, job in enumerate(drawn)]
    outcome = replay(nodes, jobs)
    assert sorted(job.name for job in (*(run.job for run in outcome.runs), *outcome.unplaceable)) == sorted(
        job.name for job in jobs
    )
    assert all(job.devices > outcome.capacity for job in outcome.unplaceable)
    for run in outcome.runs:
        assert run.start_ms >= run.job.submitted_ms
        assert run.end_ms - run.start_ms == run.job.run_ms
        assert sum(mask.bit_count() for _, mask in run.devices) == run.job.devices
    assert_no_device_twice(outcome)
    assert_strict(outcome.runs)


def assert_no_device_twice(outcome: Replay) -> None:
    by_device: defaultdict[tuple[int, int], list[Interval[str]]] = defaultdict(list)
    for run in outcome.runs:
        for node, mask in run.devices:
            assert 0 < mask < 1 << outcome.nodes[node].devices
            for index in range(mask.bit_length()):
                if mask >> index & 1:
                    by_device[node, index].append(Interval(run.job.name, run.start_ms, run.end_ms))
    for intervals in by_device.values():
        assert held(intervals, *outcome.span_ms()).maximum <= 1


def assert_strict(runs: tuple[ReplayedRun, ...]) -> None:
    """Check that nobody started while one waited who came before it in the queue."""
    for run in runs:
        for other in runs:
            if other.job.submitted_ms <= run.start_ms < other.start_ms:
                assert _order(other) > _order(run)


def _order(run: ReplayedRun) -> tuple[int, int, int]:
    job = run.job
    return queue_order(QueuedRequest(int(job.name[1:]), 0, 0, job.devices, job.priority, job.submitted_ms))


def test_a_crowd_that_never_fits_does_not_slow_the_others() -> None:
    jobs = [TraceJob(f"h{i}", "u", 9, 10, 0, 1) for i in range(5_000)]
    jobs += [TraceJob(f"j{i}", "u", 1, 0, i, 1) for i in range(5_000)]
    begun = monotonic()
    outcome = replay([TraceNode("n", 8)], jobs)
    assert monotonic() - begun < 5
    assert (len(outcome.runs), len(outcome.unplaceable)) == (5_000, 5_000)
