from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from moreh_cloud.fleet.trace.history import Written, write_history
from moreh_cloud.lib.clock import whole_ms
from moreh_cloud.lib.errors import DomainError
from scheduler.replay.engine import Replay, replay
from scheduler.replay.trace import Trace, TraceError, read_jobs, read_nodes
from usage.metering import Interval, held


class Command(BaseCommand):
    help = "Write the replay of a public GPU-cluster trace into the database as finished, billed history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, required=True, help="CSV with the columns sn, gpu")
        parser.add_argument("--jobs", type=Path, required=True, help="CSV as of Alibaba 2023, Helios or Acme")
        parser.add_argument("--policy", choices=["strict"], default="strict")
        parser.add_argument("--begin", type=_time, default="2026-01-01T00:00Z", help="of the first job; UTC")
        parser.add_argument("--prefix", type=_name, default="trace", help="of all that is made; one for each import")

    def handle(self, *_args: Any, **options: Any) -> None:
        begun = monotonic()
        try:
            nodes, trace = read_nodes(options["nodes"]), read_jobs(options["jobs"])
            outcome = replay(nodes, trace.jobs)
            self.stdout.write(f"Replayed: {_counts(outcome, trace)}.")
            written = write_history(options["prefix"], outcome, options["begin"], self.stdout.write)
        except (TraceError, OSError) as error:
            raise CommandError(str(error)) from error
        except DomainError as refusal:
            raise CommandError(f"{refusal} {refusal.details or ''}".strip()) from refusal
        self._say(written, outcome, monotonic() - begun)

    def _say(self, written: Written, outcome: Replay, seconds: float) -> None:
        self.stdout.write(
            f"History from {written.start:%Y-%m-%dT%H:%M:%SZ} to {written.end:%Y-%m-%dT%H:%M:%SZ}: {written.new:,} new "
            f"jobs of {written.jobs:,}, {written.customers} customers, in {seconds:.1f} s."
        )
        file_ms = sum(run.job.devices * run.job.run_ms for run in outcome.runs)
        replay_ms = _device_ms(outcome)
        sums = f"file {file_ms / 1000:,}, replay {replay_ms / 1000:,}, hourly usage {written.device_ms / 1000:,}"
        if not file_ms == replay_ms == written.device_ms:
            raise CommandError(f"Device-seconds differ: {sums}.")
        self.stdout.write(f"Device-seconds agree: {sums}.")


def _counts(outcome: Replay, trace: Trace) -> str:
    left_out = ", ".join(f"{count:,} {cause}" for cause, count in sorted(trace.left_out.items())) or "none"
    return (
        f"{len(outcome.runs):,} jobs on {len(outcome.nodes):,} nodes with {outcome.capacity:,} devices; "
        f"{len(outcome.unplaceable):,} fit never; left out: {left_out}"
    )


def _device_ms(outcome: Replay) -> int:
    runs = [
        Interval(node, run.start_ms, run.end_ms, mask.bit_count()) for run in outcome.runs for node, mask in run.devices
    ]
    return held(runs, *outcome.span_ms()).device_ms


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a time like 2026-01-01T00:00Z") from error
    return whole_ms(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))


def _name(text: str) -> str:
    if not 0 < len(text) <= 40:
        raise ArgumentTypeError("a prefix has 1 to 40 characters")
    return text
