"""Output of an import of a trace on the terminal."""

from fleet.errors import BooksDiffer
from fleet.trace.history import ImportSummary
from fleet.trace.live import Result
from scheduler.replay.engine import Replay
from scheduler.replay.trace import Trace
from usage.metering import Interval, held


def replay_line(outcome: Replay, trace: Trace) -> str:
    """Return a line about the replay."""
    left_out = ", ".join(f"{count:,} {cause}" for cause, count in sorted(trace.left_out.items())) or "none"
    return (
        f"Replayed: {len(outcome.runs):,} jobs on {len(outcome.nodes):,} nodes with {outcome.capacity:,} devices; "
        f"{len(outcome.unplaceable):,} fit never; left out: {left_out}."
    )


def history_line(history: ImportSummary, seconds: float) -> str:
    """Return a line about the rows that were written."""
    return (
        f"History from {history.start:%Y-%m-%dT%H:%M:%SZ} to {history.end:%Y-%m-%dT%H:%M:%SZ}: {history.new:,} new "
        f"jobs of {history.jobs:,}, {history.customers:,} customers, in {seconds:.1f} s."
    )


def device_time_line(history: ImportSummary, outcome: Replay) -> str:
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


def live_line(result: Result) -> str:
    """Return a line about a live replay."""
    return (
        f"{result.asked:,} jobs asked for in {result.seconds:.1f} s: {result.accepted:,} accepted, {result.ran:,} ran, "
        f"{result.completed:,} completed, {result.lost:,} lost; {result.too_large:,} too large for the nodes. "
        f"Device-seconds held: {result.device_ms / 1000:,}."
    )
