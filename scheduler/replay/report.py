"""The report of a replay, as values and as text. Figures are rounded only here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduler.policy.snapshot import Policy
from scheduler.replay.baselines import Placement
from scheduler.replay.engine import Replay

Seconds = int | float
Steps = Sequence[tuple[int, int]]
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class WaitSeconds:
    """Times from submission to start of all jobs that started; percentiles by nearest rank."""

    mean: Seconds
    p50: Seconds
    p95: Seconds
    p99: Seconds
    max: Seconds


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The figures of a replay. `jobs`: finished and unplaceable ones; `left_out`: rows that were not replayed.

    `utilization`: the fraction of the devices that was held, from the first submission to the last end.
    `fragmentation`: the fraction of the free devices that was on partly used nodes. `racks_per_job`: how many racks the
    jobs over several nodes used on average; a node without a rack counts as a rack of its own.
    """

    policy: str
    placement: str
    nodes: int
    devices: int
    jobs: int
    left_out: int
    left_out_by_cause: Mapping[str, int]
    finished: int
    unplaceable: int
    device_seconds: Seconds
    wait_seconds: WaitSeconds
    utilization: float
    fragmentation: float
    makespan_seconds: Seconds
    racks_per_job: float


def summarize(
    replay: Replay,
    left_out: Mapping[str, int],
    device_ms: int,
    placement: Placement = Placement.WHOLE_FIRST,
    policy: Policy = Policy.STRICT,
) -> ReplayReport:
    """Return the report of a replay; `device_ms` is the device-time of its runs."""
    start_ms, end_ms = replay.span_ms()
    space = replay.capacity * (end_ms - start_ms)
    return ReplayReport(
        policy=policy.value,
        placement=placement.value,
        nodes=len(replay.nodes),
        devices=replay.capacity,
        jobs=len(replay.runs) + len(replay.unplaceable),
        left_out=sum(left_out.values()),
        left_out_by_cause=dict(sorted(left_out.items())),
        finished=len(replay.runs),
        unplaceable=len(replay.unplaceable),
        device_seconds=_seconds(device_ms),
        wait_seconds=waits_of(sorted(run.wait_ms for run in replay.runs)),
        utilization=round(device_ms / space, 6) if space else 0.0,
        fragmentation=round(fragmentation(replay), 6),
        makespan_seconds=_seconds(end_ms - start_ms),
        racks_per_job=round(racks_per_job(replay), 3),
    )


def table(report: ReplayReport) -> str:
    """Return a report as a table in plain text."""
    waits = report.wait_seconds
    causes = ", ".join(f"{count:,} {cause}" for cause, count in report.left_out_by_cause.items())
    rows = {
        "Policy": report.policy,
        "Placement": report.placement,
        "Nodes": f"{report.nodes:,} with {report.devices:,} devices",
        "Jobs": f"{report.jobs:,}",
        "  finished": f"{report.finished:,}",
        "  unplaceable": f"{report.unplaceable:,}",
        "Left out": f"{report.left_out:,}" + (f" ({causes})" if causes else ""),
        "Device-time": f"{report.device_seconds:,} s",
        "Waiting, mean": f"{waits.mean:,} s",
        "  p50 / p95 / p99": f"{waits.p50:,} / {waits.p95:,} / {waits.p99:,} s",
        "  longest": f"{waits.max:,} s",
        "Utilization": f"{report.utilization:.2%}",
        "Fragmentation": f"{report.fragmentation:.2%} of the free devices on partly used nodes",
        "Makespan": f"{report.makespan_seconds:,} s",
        "Racks": f"{report.racks_per_job:,} per job over several nodes",
    }
    return "\n".join(f"{name:<20}{value}" for name, value in rows.items())


def plot(path: Path, held: Steps, waiting: Steps, capacity: int) -> None:
    """Write a PNG file with the devices held and the jobs waiting over time; steps are (from ms, number)."""
    from matplotlib.figure import Figure  # half a second to import, and only a plot needs it

    figure = Figure(figsize=(10, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    held, waiting = (steps or [(0, 0)] for steps in (held, waiting))  # no job ran
    end_ms = max(held[-1][0], waiting[-1][0])
    for panel, steps, label in ((above, held, f"devices held, of {capacity:,}"), (below, waiting, "jobs waiting")):
        panel.step(*_hours([*steps, (end_ms, steps[-1][1])]), where="post", linewidth=0.8)
        panel.set_ylabel(label)
        top = max(1, *(count for _at, count in steps))
        panel.set_ylim(-0.02 * top, 1.1 * top)  # so that a line at 0 is visible
    above.axhline(capacity, color="grey", linestyle="--", linewidth=0.8)
    below.set_xlabel("hours since the first submission")
    figure.savefig(path, format="png", dpi=120)


def _hours(steps: Steps) -> tuple[list[float], list[int]]:
    return [(at - steps[0][0]) / HOUR_MS for at, _ in steps], [count for _, count in steps]


def _seconds(ms: int) -> Seconds:
    return ms / 1000 if ms % 1000 else ms // 1000


def waits_of(ordered_ms: list[int]) -> WaitSeconds:
    """Return the statistics of waiting times in rising order."""
    if not ordered_ms:
        return WaitSeconds(0, 0, 0, 0, 0)
    p50, p95, p99 = (_seconds(ordered_ms[-(-len(ordered_ms) * percent // 100) - 1]) for percent in (50, 95, 99))
    mean = round(sum(ordered_ms) / len(ordered_ms) / 1000, 3)
    return WaitSeconds(mean, p50, p95, p99, _seconds(ordered_ms[-1]))


def racks_per_job(replay: Replay) -> float:
    """Return the mean number of racks of the jobs over several nodes; 0 if there are none."""
    several = [run for run in replay.runs if len(run.devices) > 1]
    used = sum(len({replay.nodes[node].rack or node for node, _mask in run.devices}) for run in several)
    return used / len(several) if several else 0.0


def fragmentation(replay: Replay) -> float:
    """Return the fraction of the free device-time that was on partly used nodes."""
    left = [node.devices for node in replay.nodes]
    at, end_ms = replay.span_ms()
    free, stranded, free_time, stranded_time = replay.capacity, 0, 0, 0
    for change_ms, node, count in sorted(_changes(replay)):
        free_time += (change_ms - at) * free
        stranded_time += (change_ms - at) * stranded
        size, before, after = replay.nodes[node].devices, left[node], left[node] - count
        stranded += (after if after < size else 0) - (before if before < size else 0)
        left[node], free, at = after, free - count, change_ms
    free_time += (end_ms - at) * free
    return stranded_time / free_time if free_time else 0.0


def _changes(replay: Replay) -> Iterator[tuple[int, int, int]]:
    """Yield each change as (ms, node, devices): above 0 for devices taken, below 0 for devices released."""
    for run in replay.runs:
        for node, mask in run.devices:
            yield run.start_ms, node, mask.bit_count()
            yield run.end_ms, node, -mask.bit_count()
