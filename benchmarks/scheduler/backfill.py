"""Policies beside each other on a public trace, in virtual time: how long jobs wait, and how long the large ones.

python -m benchmarks.scheduler.backfill --nodes FILE.csv --jobs FILE.csv
"""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from scheduler.policy.snapshot import Policy, Rules
from scheduler.replay.engine import Replay, replay
from scheduler.replay.trace import TraceJob, TraceNode, read_jobs, read_nodes

FEW = (3, 6)  # nodes of eight, on which the jobs of the trace have to wait
FIRST = 3_000  # jobs of it, which six nodes can nearly take
NEVER_MS = 10**15
TITLES = ("nodes, jobs", "on one node", "policy", "mean", "beside first-fit", "longest", "large: mean", "longest")
FIRST_FIT = "first-fit"
# What is compared, and whether time limits are known, which are then just as long as the jobs run.
OTHERS: Mapping[str, tuple[Rules, bool]] = {
    FIRST_FIT: (Rules(Policy.BACKFILL, guard_ms=NEVER_MS), False),
    "FCFS (`strict`)": (Rules(), False),
    "EASY (`backfill`, exact limits)": (Rules(Policy.BACKFILL, guard_ms=NEVER_MS), True),
}


def waits(done: Replay) -> tuple[float, float, float, float]:
    """Return the mean and the longest wait of all jobs, and of those that want more than half of the largest node."""
    largest = max(node.devices for node in done.nodes)
    everyone = [run.wait_ms / 1000 for run in done.runs]
    large = [run.wait_ms / 1000 for run in done.runs if 2 * run.job.devices > largest]
    return fmean(everyone), max(everyone), fmean(large), max(large)


def compare(nodes: Sequence[TraceNode], jobs: Sequence[TraceJob], guard_s: int, *, combine: bool) -> None:
    """Print a row for each policy."""
    ours = {f"`backfill`, guard time {guard_s:,} s": (Rules(Policy.BACKFILL, guard_ms=guard_s * 1000), False)}
    limited = [replace(job, limit_ms=job.run_ms) for job in jobs]
    title = f"{len(nodes):,}, {len(jobs):,}", "no" if combine else "yes"
    first_fit = 0.0
    for name, (rules, known) in {**OTHERS, **ours}.items():
        mean, longest, large, longest_large = waits(
            replay(nodes, limited if known else jobs, combine=combine, rules=rules)
        )
        first_fit = first_fit or mean
        ratio = f"{mean / first_fit:.2f}" if first_fit else "-"
        figures = f"{mean:,.0f} s", ratio, *(f"{wait:,.0f} s" for wait in (longest, large, longest_large))
        print(f"| {' | '.join((*title, name, *figures))} |", flush=True)


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=Path, required=True, help="node list of a public trace")
    parser.add_argument("--jobs", type=Path, required=True, help="job list of a public trace")
    parser.add_argument("--guard", type=int, default=3600, metavar="S", help="guard time of our own policy")
    given = parser.parse_args()
    jobs = read_jobs(given.jobs).jobs
    print(f"| {' | '.join(TITLES)} |\n|{' --- |' * len(TITLES)}")
    eights = [[TraceNode(f"node-{i}", 8) for i in range(count)] for count in FEW]
    for nodes, some in (
        (eights[0], jobs),
        (eights[1], jobs[:FIRST]),
        (eights[1], jobs),
        (read_nodes(given.nodes), jobs),
    ):
        for combine in (True, False):
            compare(nodes, some, given.guard, combine=combine)


if __name__ == "__main__":
    main()
