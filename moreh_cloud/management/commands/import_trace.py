import logging
import resource
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from backends.choices import DEFAULT_GROUP
from backends.queries import live_backend_groups
from core.clock import whole_ms
from core.commands import BaseCommand, moment, number, word
from core.texts import problem_of
from fleet.errors import BooksDiffer
from fleet.trace import report
from fleet.trace.history import write_history
from fleet.trace.live import Live, replay_live
from fleet.trace.nodes import live_group
from scheduler.policy.snapshot import Policy, Rules
from scheduler.replay.engine import replay
from scheduler.replay.trace import TraceError, TraceNode, read_jobs, read_nodes

GUARD_MS = 3_600_000  # as a new backend group has it


class Command(BaseCommand):
    """Import the jobs of a public trace."""

    help = "Bring a public GPU-cluster trace into the product: as finished, billed history, or --live by VM clients."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, required=True, help="CSV with the columns sn, gpu")
        parser.add_argument("--jobs", type=Path, required=True, help="CSV: Alibaba 2023, Helios, Acme, our own")
        parser.add_argument("--prefix", type=_name, help="names all that is made; trace, or live with --live")
        parser.add_argument(
            "--policy", choices=[one.value for one in Policy], default=Policy.STRICT, help="of the history"
        )
        parser.add_argument("--begin", type=_time, default="2026-01-01T00:00Z", help="of the first job; UTC")
        live = parser.add_argument_group("--live", "over gRPC, against a running product on the same database")
        live.add_argument("--live", action="store_true", help="replay by VM clients instead of writing history")
        live.add_argument(
            "--server", type=word, default="127.0.0.1:50052", help="host:port; TLS by MOREH_TLS… as for moreh-run"
        )
        live.add_argument("--speed", type=_speed, default=1000.0, help="how many times as fast as it was")
        live.add_argument("--limit", type=number(), help="only the first so many jobs")
        live.add_argument(
            "--group", type=word, help="the backend group whose nodes take the jobs; the default one if absent"
        )
        live.add_argument("--agents", action="store_true", help="simulate the trace's nodes in this process")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            nodes = read_nodes(options["nodes"])
            (self._live if options["live"] else self._history)(nodes, options)
        except (TraceError, OSError, BooksDiffer) as error:
            raise CommandError(str(error) or "The server does not answer.") from error

    def _history(self, nodes: tuple[TraceNode, ...], options: dict[str, Any]) -> None:
        begun = monotonic()
        trace = read_jobs(options["jobs"])
        outcome = replay(nodes, trace.jobs, rules=Rules(Policy(options["policy"]), guard_ms=GUARD_MS))
        self.stdout.write(report.replay_line(outcome, trace))
        history = write_history(options["prefix"] or "trace", outcome, options["begin"], self.stdout.write)
        self.stdout.write(report.history_line(history, monotonic() - begun))
        self.stdout.write(report.device_time_line(history, outcome))

    def _live(self, nodes: tuple[TraceNode, ...], options: dict[str, Any]) -> None:
        prefix = options["prefix"] or "live"
        jobs = read_jobs(options["jobs"]).jobs[: options["limit"]]
        group = live_group(prefix) if options["agents"] else _group(options["group"])
        live = Live(prefix, group, jobs, options["speed"], nodes if options["agents"] else ())
        _allow_many_connections()
        logging.getLogger("moreh-agent").setLevel(logging.WARNING)  # a thousand agents are welcomed
        result = replay_live(live, options["server"], self.stdout.write)
        self.stdout.write(report.live_line(result))
        if not result.whole:
            raise CommandError("Not every job was accepted, ran and completed.")


def _group(name: str | None) -> Any:
    groups = live_backend_groups()
    named = groups.none() if name and problem_of(name) else groups.filter(name=name)
    found = named.first() if name else groups.get(pk=DEFAULT_GROUP)
    if found is None:
        raise CommandError(f"There is no backend group {name!r}.")
    return found


def _allow_many_connections() -> None:
    """Use as many file descriptors as we may: each client and each agent has a connection of its own."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _time(text: str) -> datetime:
    with timezone.override(UTC):
        return whole_ms(moment(text).astimezone(UTC))


def _name(text: str) -> str:
    if not 0 < len(text) <= 40 or problem_of(text):
        raise ArgumentTypeError("a prefix has 1 to 40 characters, and none that controls")
    return text


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < float("inf"):
        raise ArgumentTypeError("the speed is a number above 0")
    return speed
