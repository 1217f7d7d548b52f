import logging
import resource
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backends.choices import DEFAULT_GROUP
from backends.models import BackendGroup
from moreh_cloud.fleet.trace import told
from moreh_cloud.fleet.trace.history import write_history
from moreh_cloud.fleet.trace.live import Live, replay_live
from moreh_cloud.fleet.trace.nodes import live_group
from moreh_cloud.lib.clock import whole_ms
from moreh_cloud.lib.errors import DomainError
from scheduler.replay.engine import replay
from scheduler.replay.trace import TraceError, TraceNode, read_jobs, read_nodes


class Command(BaseCommand):
    help = "Bring a public GPU-cluster trace into the product: as finished, billed history, or --live by VM clients."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, required=True, help="CSV with the columns sn, gpu")
        parser.add_argument("--jobs", type=Path, required=True, help="CSV as of Alibaba 2023, Helios or Acme")
        parser.add_argument("--prefix", type=_name, help="names all that is made; trace, or live with --live")
        parser.add_argument("--policy", choices=["strict"], default="strict")
        parser.add_argument("--begin", type=_time, default="2026-01-01T00:00Z", help="of the first job; UTC")
        live = parser.add_argument_group("--live", "over gRPC, against a running product on the same database")
        live.add_argument("--live", action="store_true", help="replay by VM clients instead of writing history")
        live.add_argument("--server", default="127.0.0.1:50052", help="host:port; TLS by MOREH_TLS… as for moreh-run")
        live.add_argument("--speed", type=_speed, default=1000.0, help="how many times as fast as it was")
        live.add_argument("--limit", type=_count, help="only the first so many jobs")
        live.add_argument("--group", help="the backend group whose nodes take the jobs; the default one if absent")
        live.add_argument("--agents", action="store_true", help="simulate the trace's nodes in this process")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            nodes = read_nodes(options["nodes"])
            (self._live if options["live"] else self._history)(nodes, options)
        except (TraceError, OSError, told.BooksDiffer) as error:
            raise CommandError(str(error) or "The server does not answer.") from error
        except KeyboardInterrupt as interruption:
            raise CommandError("Interrupted.", returncode=130) from interruption
        except DomainError as refusal:
            raise CommandError(f"{refusal} {refusal.details or ''}".strip()) from refusal

    def _history(self, nodes: tuple[TraceNode, ...], options: dict[str, Any]) -> None:
        begun = monotonic()
        trace = read_jobs(options["jobs"])
        outcome = replay(nodes, trace.jobs)
        self.stdout.write(told.replayed(outcome, trace))
        history = write_history(options["prefix"] or "trace", outcome, options["begin"], self.stdout.write)
        self.stdout.write(told.written(history, monotonic() - begun))
        self.stdout.write(told.books(history, outcome))

    def _live(self, nodes: tuple[TraceNode, ...], options: dict[str, Any]) -> None:
        prefix = options["prefix"] or "live"
        jobs = read_jobs(options["jobs"]).jobs[: options["limit"]]
        group = live_group(prefix) if options["agents"] else _group(options["group"])
        live = Live(prefix, group, jobs, options["speed"], nodes if options["agents"] else ())
        _allow_many_connections()
        logging.getLogger("moreh-agent").setLevel(logging.WARNING)  # a thousand agents are welcomed
        result = replay_live(live, options["server"], self.stdout.write)
        self.stdout.write(told.lived(result))
        if not result.whole:
            raise CommandError("Not every job was accepted, ran and completed.")


def _group(name: str | None) -> BackendGroup:
    groups = BackendGroup.objects.live()
    found: BackendGroup | None = groups.filter(name=name).first() if name else groups.get(pk=DEFAULT_GROUP)
    if found is None:
        raise CommandError(f"There is no backend group {name!r}.")
    return found


def _allow_many_connections() -> None:
    """Use as many file descriptors as we may: each client and each agent has a connection of its own."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise ArgumentTypeError("the speed is a number above 0")
    return speed


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ArgumentTypeError("a limit is a number from 1")
    return count
