"""Our placement beside first-fit, best-fit and random, on a trace and on synthetic loads, in virtual time.

python -m benchmarks.scheduler.placement [--nodes FILE.csv --jobs FILE.csv] [--plot FILE.png]
"""

import math
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean

from scheduler.replay.baselines import Placement, index_factory
from scheduler.replay.engine import Replay, ReplayedRun, replay
from scheduler.replay.report import fragmentation, waits_of
from scheduler.replay.trace import TraceJob, TraceNode, read_jobs, read_nodes

SEEDS = range(1, 13)
JOBS = 3000
MEAN_RUN_S, SPREAD = 1800, 1.0  # of the log-normal run times: many short ones, few long ones
TITLES = ("used", "fragmented", "small wait", "p95", "large wait", "p95", "torn", "neighbours")


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are of one, waiting times in seconds; a large job wants more than half of the largest node."""

    utilization: float
    fragmentation: float
    small_wait: float
    small_p95: float
    large_wait: float
    large_p95: float
    torn: float  # of the jobs, those on more nodes than they need
    neighbours: float  # of the parts of 2 devices or more on a node, those whose indexes are neighbours


@dataclass(frozen=True, slots=True)
class Work:
    """What is replayed: nodes, jobs, and whether a job may span nodes."""

    nodes: Sequence[TraceNode]
    jobs: Sequence[TraceJob]
    combine: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Sizes of nodes, sizes of jobs with their weights, and how much of the devices all of them want."""

    nodes: Sequence[int]
    sizes: Mapping[int, float]
    wanted: float
    combine: bool


EIGHTS = (8,) * 32
LOADS = {
    "up to 4 nodes, may span": Load(EIGHTS, {1: 50, 2: 20, 4: 15, 8: 10, 16: 4, 32: 1}, 0.85, True),
    "up to a node, on one": Load(EIGHTS, {1: 50, 2: 20, 4: 18, 8: 12}, 0.75, False),
    "95 % small, 5 % whole nodes": Load(EIGHTS, {1: 95, 8: 5}, 0.75, False),
    "odd sizes, on one node": Load(EIGHTS, {1: 30, 3: 30, 5: 20, 6: 20}, 0.7, False),
    "nodes of 4 and 8, on one": Load((4, 8) * 20, {1: 50, 2: 20, 4: 20, 8: 10}, 0.75, False),
    "tight: 6 nodes, on one": Load((8,) * 6, {1: 50, 2: 20, 4: 18, 8: 12}, 0.65, False),
}


def synthetic(load: Load, seed: int, jobs: int = JOBS) -> Work:
    """Draw jobs that come at random moments and together want the load's share of the devices."""
    chance = Random(seed)  # noqa: S311 - repeatable is what it must be
    nodes = [TraceNode(f"node-{i}", size) for i, size in enumerate(load.nodes)]
    mu = math.log(MEAN_RUN_S) - SPREAD**2 / 2
    sizes = chance.choices(list(load.sizes), list(load.sizes.values()), k=jobs)
    runs = [max(1000, round(chance.lognormvariate(mu, SPREAD) * 1000)) for _ in sizes]
    rows = [TraceJob(str(i), "", size, 0, 0, run) for i, (size, run) in enumerate(zip(sizes, runs, strict=True))]
    return Work(nodes, _spread(rows, sorted(chance.random() for _ in rows), nodes, load.wanted), load.combine)


def tightened(work: Work, every: int, wanted: float) -> Work:
    """Return a trace on one in so many of its nodes, its jobs pressed together until they want that share of them."""
    few = sorted(work.nodes, key=lambda node: (-node.devices, node.name))[::every]
    jobs = [job for job in work.jobs if job.devices <= few[0].devices]
    first, last = jobs[0].submitted_ms, jobs[-1].submitted_ms
    times = [(job.submitted_ms - first) / (last - first) for job in jobs]
    return Work(few, _spread(jobs, times, few, wanted), combine=False)


def _spread(
    jobs: Sequence[TraceJob], times: Sequence[float], nodes: Sequence[TraceNode], wanted: float
) -> list[TraceJob]:
    span_ms = sum(job.devices * job.run_ms for job in jobs) / sum(node.devices for node in nodes) / wanted
    return [replace(job, submitted_ms=round(at * span_ms)) for job, at in zip(jobs, times, strict=True)]


def measure(work: Work, placement: Placement, seed: int = 1) -> Figures:
    """Replay the jobs under one placement."""
    chance = Random(seed)  # noqa: S311 - repeatable is what it must be
    place = index_factory(placement, lambda count: chance.sample(range(count), count))
    done = replay(work.nodes, work.jobs, place=place, combine=work.combine)
    start_ms, end_ms = done.span_ms()
    largest = max(node.devices for node in work.nodes)
    small, large = (waits_of(_waits(done, largest, large=large)) for large in (False, True))
    parts = [mask for run in done.runs for _node, mask in run.devices if mask.bit_count() > 1]
    return Figures(
        utilization=sum(run.job.devices * run.job.run_ms for run in done.runs) / done.capacity / (end_ms - start_ms),
        fragmentation=fragmentation(done),
        small_wait=small.mean,
        small_p95=small.p95,
        large_wait=large.mean,
        large_p95=large.p95,
        torn=fmean(len(run.devices) > math.ceil(run.job.devices / largest) for run in done.runs),
        neighbours=fmean(_neighbours(mask) for mask in parts) if parts else 1.0,
    )


def _waits(done: Replay, largest: int, *, large: bool) -> list[int]:
    chosen: Iterator[ReplayedRun] = (run for run in done.runs if (2 * run.job.devices > largest) is large)
    return sorted(run.wait_ms for run in chosen)


def _neighbours(mask: int) -> bool:
    shifted = mask // (mask & -mask)
    return shifted & (shifted + 1) == 0


def compare(works: Sequence[Work]) -> dict[Placement, Figures]:
    """Measure every placement on the same works, and give the means."""
    rows = {p: [astuple(measure(work, p, seed)) for seed, work in enumerate(works, 1)] for p in Placement}
    return {p: Figures(*(fmean(column) for column in zip(*row, strict=True))) for p, row in rows.items()}


def show(title: str, found: Mapping[Placement, Figures]) -> None:
    """Print the rows of one load, as the table in the docs has them."""
    for placement, figures in found.items():
        used, fragmented, *waits, torn, neighbours = astuple(figures)
        shares = [f"{share:.1%}" for share in (used, fragmented)]
        cells = [*shares, *(f"{wait:,.0f} s" for wait in waits), f"{torn:.1%}", f"{neighbours:.1%}"]
        print(f"| {' | '.join([title, placement.value, *cells])} |", flush=True)


def plot(path: Path, found: Mapping[str, Mapping[Placement, Figures]]) -> None:
    """Draw fragmentation and the waiting time of large jobs, load by load."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(found)
    for number, placement in enumerate(Placement):
        rows = [row + 0.2 * (number - 1.5) for row in range(len(names))]
        left.barh(rows, [100 * found[name][placement].fragmentation for name in names], 0.18, label=placement.value)
        waits = [
            found[name][placement].large_wait / (found[name][Placement.WHOLE_FIRST].large_wait or 1) for name in names
        ]
        right.barh(rows, waits, 0.18)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("free devices on partly used nodes, %")
    right.set_xlabel("mean waiting time of large jobs, whole-first = 1")
    right.set_xscale("symlog")
    left.legend()
    figure.savefig(path, format="png", dpi=75)


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=Path, help="node list of a public trace")
    parser.add_argument("--jobs", type=Path, help="job list of a public trace")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    given = parser.parse_args()
    works = {title: [synthetic(load, seed) for seed in SEEDS] for title, load in LOADS.items()}
    if given.nodes and given.jobs:
        trace = Work(read_nodes(given.nodes), read_jobs(given.jobs).jobs, combine=True)
        works["trace as it was"] = [trace]
        works["trace, 1 node in 40, load 0.7"] = [tightened(trace, 40, 0.7)]
    print(f"| {' | '.join(('load', 'placement', *TITLES))} |\n|{' --- |' * (len(TITLES) + 2)}")
    found = {}
    for title, same in works.items():
        found[title] = compare(same)
        show(title, found[title])
    if given.plot:
        plot(given.plot, found)


if __name__ == "__main__":
    main()
