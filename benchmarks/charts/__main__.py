"""Memory and time of the charts' means in the cache: `python -m benchmarks.charts [--nodes 1000] [--devices 8]`.

Starts a private Valkey, writes a day of five minutes for all nodes as the gRPC server does, and prints the memory that
the server then has more, what `bytes_of` says, the time of one pass over all nodes, and the time of the report path for
each report, beside reading the charts of one node.
"""

import argparse
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from tempfile import mkdtemp
from uuid import UUID

from tests import services

MIB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--devices", type=int, default=8)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.valkey(folder) as broker:
            os.environ.update(REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            import django

            django.setup()
            measure(options.nodes, options.devices)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(nodes: int, devices: int) -> None:
    """Fill the cache, and print what it takes."""
    import redis
    from django.conf import settings

    from backends.telemetry_history.cached import SLOTS, NodeMeans, bytes_of, read_slots, write_slots
    from backends.telemetry_history.shapes import ChosenNode, TimeGrid

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    random, first = Random(1), 5_000_000  # noqa: S311
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        before = client.info("memory")["used_memory"]
        passes = []
        for number in range(first, first + SLOTS):
            means = [random.uniform(0, 100) for _ in range(devices * 4)]
            every = {pk: NodeMeans(devices, 30, means) for pk in range(1, nodes + 1)}
            begin = time.perf_counter()
            write_slots(number, every, nodes)
            passes.append(time.perf_counter() - begin)
        used = client.info("memory")["used_memory"] - before
    grid = TimeGrid(first * 300, (first + SLOTS) * 300, 300)
    begin = time.perf_counter()
    read_slots([ChosenNode(1, "node-1")], grid)
    read = time.perf_counter() - begin
    print(
        f"{nodes} nodes x {devices} devices: {used / MIB:.1f} MiB ({used / nodes / 1024:.1f} KiB a node;"
        f" counted as {nodes * bytes_of(devices) / MIB:.1f} MiB)\n"
        f"one pass: median {median(passes) * 1000:.0f} ms, first {passes[0] * 1000:.0f} ms;"
        f" a day of one node read in {read * 1000:.1f} ms\n"
        f"adding a report: {added(devices) * 1e6:.1f} µs"
    )


def added(devices: int) -> float:
    """Return the seconds that the path of reports needs for one more."""
    from backends.services.telemetry import TelemetryReport
    from backends.services.telemetry_means import TelemetryMeans

    means, at = TelemetryMeans(), datetime(2026, 1, 1, tzinfo=UTC)
    means._nodes = dict.fromkeys(range(1, 1001), devices)
    values = (32_000.0, 61.0, 70.0, 98.0, 60.0, 412.0)
    reports = [
        TelemetryReport(pk, UUID(int=0), 1, 1.0, 1, 1, tuple((index, values) for index in range(devices)))
        for pk in range(1, 1001)
    ]
    begin = time.perf_counter()
    for _ in range(10):
        means.add(reports, at)
    return (time.perf_counter() - begin) / 10_000


if __name__ == "__main__":
    main()
