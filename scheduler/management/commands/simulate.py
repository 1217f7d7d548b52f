import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scheduler.policy.rivals import Placement, placing
from scheduler.replay.engine import Replay, replay
from scheduler.replay.report import plot, summarize, table
from scheduler.replay.trace import TraceError, read_jobs, read_nodes
from usage.metering import Interval, held, profile


class Command(BaseCommand):
    """Replay a trace; works on files alone, so it asks for no checks of a database."""

    help = "Replay the jobs of a public GPU-cluster trace on its nodes, in virtual time, through the scheduler's plan."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, required=True, help="CSV with the columns sn, gpu")
        parser.add_argument("--jobs", type=Path, required=True, help="CSV as of Alibaba 2023, Helios or Acme")
        parser.add_argument("--policy", choices=["strict"], default="strict")
        parser.add_argument("--placement", choices=list(Placement), type=Placement, default=Placement.WHOLE_FIRST)
        parser.add_argument("--seed", type=int, default=0, help="for the random placement")
        parser.add_argument("--no-combine", action="store_true", help="no job may span nodes")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw devices held and jobs waiting")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            nodes, trace = read_nodes(options["nodes"]), read_jobs(options["jobs"])
            chance = Random(options["seed"])  # noqa: S311 - repeatable is what it must be
            place = placing(options["placement"], lambda count: chance.sample(range(count), count))
            outcome = replay(nodes, trace.jobs, place=place, combine=not options["no_combine"])
            if options["plot"]:
                _draw(options["plot"], outcome)
        except (TraceError, OSError) as error:
            raise CommandError(str(error)) from error
        runs = [Interval(run.job.user, run.start_ms, run.end_ms, run.job.devices) for run in outcome.runs]
        report = summarize(outcome, trace.left_out, held(runs, *outcome.span_ms()).device_ms, options["placement"])
        self.stdout.write(json.dumps(asdict(report), indent=2) if options["json"] else table(report))


def _draw(path: Path, outcome: Replay) -> None:
    held_by = [Interval(run.job.user, run.start_ms, run.end_ms, run.job.devices) for run in outcome.runs]
    waiting = [Interval(run.job.user, run.job.submitted_ms, run.start_ms) for run in outcome.runs]
    span = outcome.span_ms()
    plot(path, profile(held_by, *span), profile(waiting, *span), outcome.capacity)
