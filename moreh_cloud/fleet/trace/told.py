"""What an import of a trace says on the terminal."""

from moreh_cloud.fleet.trace.history import Written
from moreh_cloud.fleet.trace.live import Result
from scheduler.replay.engine import Replay
from scheduler.replay.trace import Trace
from usage.metering import Interval, held


class BooksDiffer(Exception):
    """Device-seconds are missing, or too many."""


def replayed(outcome: Replay, trace: Trace) -> str:
    left_out = ", ".join(f"{count:,} {cause}" for cause, count in sorted(trace.left_out.items())) or "none"
    return (
        f"Replayed: {len(outcome.runs):,} jobs on {len(outcome.nodes):,} nodes with {outcome.capacity:,} devices; "
        f"{len(outcome.unplaceable):,} fit never; left out: {left_out}."
    )


def written(history: Written, seconds: float) -> str:
    return (
        f"History from {history.start:%Y-%m-%dT%H:%M:%SZ} to {history.end:%Y-%m-%dT%H:%M:%SZ}: {history.new:,} new "
        f"jobs of {history.jobs:,}, {history.customers:,} customers, in {seconds:.1f} s."
    )


def books(history: Written, outcome: Replay) -> str:
    """Compare the device-time of the file, of the replay and of the hourly usage. Raises BooksDiffer."""
    file_ms = sum(run.job.devices * run.job.run_ms for run in outcome.runs)
    holds = [
        Interval(node, run.start_ms, run.end_ms, mask.bit_count()) for run in outcome.runs for node, mask in run.devices
    ]
    replay_ms = held(holds, *outcome.span_ms()).device_ms
    sums = f"file {file_ms / 1000:,}, replay {replay_ms / 1000:,}, hourly usage {history.device_ms / 1000:,}"
    if not file_ms == replay_ms == history.device_ms:
        raise BooksDiffer(f"Device-seconds differ: {sums}.")
    return f"Device-seconds agree: {sums}."


def lived(result: Result) -> str:
    return (
        f"{result.asked:,} jobs asked for in {result.seconds:.1f} s: {result.accepted:,} accepted, {result.ran:,} ran, "
        f"{result.completed:,} completed, {result.lost:,} lost; {result.too_large:,} too large for the nodes. "
        f"Device-seconds held: {result.device_ms / 1000:,}."
    )
