import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

from django.core.management.base import CommandError

from core.commands import BaseCommand, number
from scheduler.policy.snapshot import Policy, Rules
from scheduler.replay.baselines import Placement, index_factory
from scheduler.replay.engine import Replay, replay
from scheduler.replay.report import plot, summarize, table
from scheduler.replay.trace import Trace, TraceError, read_jobs, read_nodes
from usage.metering import Interval, held, profile


class Command(BaseCommand):
    """Replay a trace; works on files alone, so it asks for no checks of a database."""

    help = "Replay the jobs of a public GPU-cluster trace on its nodes, in virtual time, through the scheduler's plan."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, required=True, help="CSV with the columns sn, gpu and perhaps rack")
        parser.add_argument("--jobs", type=Path, required=True, help="CSV: Alibaba 2023, Helios, Acme, our own")
        parser.add_argument("--policy", choices=[policy.value for policy in Policy], default=Policy.STRICT)
        parser.add_argument("--guard", type=_seconds, default="3600", metavar="S", help="backfill: guard time")
        parser.add_argument("--half-life", type=_seconds, default="86400", metavar="S", help="fair: half-life of use")
        parser.add_argument("--limits", type=_factor, metavar="F", help="time limits are so many times the run times")
        parser.add_argument("--placement", choices=[one.value for one in Placement], default=Placement.WHOLE_FIRST)
        parser.add_argument("--seed", type=number(0), default=0, help="for the random placement")
        parser.add_argument("--one-rack", action="store_true", help="prefer one rack for jobs over several nodes")
        parser.add_argument("--no-combine", action="store_true", help="no job may span nodes")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw devices held and jobs waiting")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            nodes, trace = read_nodes(options["nodes"]), read_jobs(options["jobs"])
            chance = Random(options["seed"])  # noqa: S311 - repeatable is what it must be
            placement, policy = Placement(options["placement"]), Policy(options["policy"])
            place = index_factory(placement, lambda count: chance.sample(range(count), count))
            ours = placement is Placement.WHOLE_FIRST  # the rules decide
            if options["limits"]:
                trace = _limited(trace, options["limits"])
            outcome = replay(
                nodes,
                trace.jobs,
                place=None if ours else place,
                combine=not options["no_combine"],
                rules=Rules(policy, guard_ms=options["guard"], one_rack=options["one_rack"]),
                half_life_ms=options["half_life"],
            )
            if options["plot"]:
                _draw(options["plot"], outcome)
        except (TraceError, OSError) as error:
            raise CommandError(str(error)) from error
        except ModuleNotFoundError as error:
            raise CommandError(f"--plot needs {error.name}: deploy/venv.sh requirements-up.txt") from error
        runs = [Interval(run.job.user, run.start_ms, run.end_ms, run.job.devices) for run in outcome.runs]
        device_ms = held(runs, *outcome.span_ms()).device_ms
        report = summarize(outcome, trace.left_out, device_ms, placement, policy)
        self.stdout.write(json.dumps(asdict(report), indent=2) if options["json"] else table(report))


def _draw(path: Path, outcome: Replay) -> None:
    held_by = [Interval(run.job.user, run.start_ms, run.end_ms, run.job.devices) for run in outcome.runs]
    waiting = [Interval(run.job.user, run.job.submitted_ms, run.start_ms) for run in outcome.runs]
    span = outcome.span_ms()
    plot(path, profile(held_by, *span), profile(waiting, *span), outcome.capacity)


def _limited(trace: Trace, factor: float) -> Trace:
    """Return a trace whose jobs have time limits that are so many times what they run for."""
    jobs = tuple(replace(job, limit_ms=round(job.run_ms * factor)) for job in trace.jobs)
    return replace(trace, jobs=jobs)


def _seconds(text: str) -> int:
    """Return a time above 0, in milliseconds."""
    return round(_above(text, 0.001) * 1000)


def _factor(text: str) -> float:
    return _above(text, 1)


def _above(text: str, least: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not least <= value <= 1e9:
        raise ArgumentTypeError(f"{text!r} is not a number from {least:g} to 1e9")
    return value
