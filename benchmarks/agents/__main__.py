"""Many agents come back: `python -m benchmarks.agents [--agents 5000]`.

Starts a private PostgreSQL (fsync on), Redis, the gRPC server as delivered, and simulated agents with a connection
each. Prints how long it takes until all are connected, and until every device is clean with a fresh report: after all
were lost, and after the server was killed and started again; the same of a server that remembers nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import mkdtemp

from benchmarks.agents.probe import probe
from benchmarks.agents.processes import Crowd, Process
from benchmarks.servers import DURABLE, ROOT
from tests import services

TIMEOUT = 300.0  # seconds
STEADY = 20.0  # seconds of reports and nothing else
AWAY = 3.0  # seconds without a server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=5_000)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.agents} agents of 8 devices", flush=True)
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings", MOREH_LOG_LEVEL="ERROR")
            _prepare(options.agents)
            measure_ours(options.agents)
        measure_echo(options.agents)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(agents: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.agents.fill import add_nodes

    call_command("migrate", verbosity=0)
    add_nodes(agents + 1)  # one more for the probe


def measure_ours(agents: int) -> None:
    from benchmarks.agents.fill import fresh_nodes, lose_nodes

    def all_fresh() -> bool:
        return fresh_nodes() >= 8 * agents

    port = services.free_port()
    server = [sys.executable, "manage.py", "grpc"]
    os.environ["MOREH_GRPC_PORT"] = str(port)
    with _crowd(port, agents) as crowd:
        with _server(server) as process:
            _say("all were lost", crowd, agents, process, all_fresh)
            _say_steady(crowd, process, lambda: _report_to_row(port, agents))
        lose_nodes()
        time.sleep(AWAY)
        with _server(server) as process:
            _say("the server was killed, all lost", crowd, agents, process, all_fresh)


def measure_echo(agents: int) -> None:
    port = services.free_port()
    server = [sys.executable, "-m", "benchmarks.agents.echo", str(port)]
    with _crowd(port, agents) as crowd:
        for what in ("echo: all connect", "echo: the server was killed"):
            with _server(server) as process:
                _say(what, crowd, agents, process, lambda: True)
                _say_steady(crowd, process)
            time.sleep(AWAY)


@contextmanager
def _server(command: list[str]) -> Iterator[Process]:
    """Run a server; it is killed as kill -9 does."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield Process(process.pid)
        finally:
            process.kill()


@contextmanager
def _crowd(port: int, agents: int) -> Iterator[Crowd]:
    """Start the agents; each has found nobody once when this goes on."""
    crowd = Crowd(f"127.0.0.1:{port}", agents)
    try:
        _wait(lambda: crowd.seen().failed.total() >= agents)
        yield crowd
    finally:
        crowd.stop()


def _say(what: str, crowd: Crowd, agents: int, server: Process, all_fresh: Callable[[], bool]) -> None:
    """Print how long it takes from the start of the server on."""
    begun, before = time.monotonic(), crowd.seen()
    _wait(lambda: crowd.seen().connected >= agents)
    connected = time.monotonic() - begun
    _wait(all_fresh)
    fresh, after = time.monotonic() - begun, crowd.seen()
    print(
        f"{what:<32} connected after {connected:5.1f} s, every report fresh after {fresh:5.1f} s; "
        f"told to come later {after.later - before.later}, refused {after.refused - before.refused}, "
        f"no Welcome in 30 s {after.unheard - before.unheard}, failed {dict(after.failed - before.failed)}; "
        f"{server.cpu():.1f} s of CPU, {server.rss():.0f} MB",
        flush=True,
    )


def _report_to_row(port: int, number: int) -> None:
    seconds = probe(f"127.0.0.1:{port}", number, os.environ["DATABASE_URL"], STEADY)
    p50, p99 = median(seconds), quantiles(seconds, n=100)[98]
    print(
        f"{'  report to row':<32} p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {len(seconds)} reports", flush=True
    )


def _rest() -> None:
    time.sleep(STEADY)


def _say_steady(crowd: Crowd, server: Process, meanwhile: Callable[[], None] = _rest) -> None:
    reports, cpu = crowd.seen().reports, server.cpu()
    meanwhile()
    reports, cpu = crowd.seen().reports - reports, server.cpu() - cpu
    print(
        f"{'  then':<32} {reports / STEADY:.0f} reports/s, {cpu / reports * 1000:.2f} s of CPU per 1,000, "
        f"{server.rss():.0f} MB",
        flush=True,
    )


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT
    while not true():
        if time.monotonic() > until:
            sys.exit(f"Not within {TIMEOUT:.0f} s.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
