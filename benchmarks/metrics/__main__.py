"""One scrape beside its limit: `python -m benchmarks.metrics [--backends 10000]`.

Starts a private PostgreSQL (fsync on), Redis and gunicorn as delivered, fills nodes with 8 devices each, and prints the
seconds of a scrape, its size, the memory that the server needs for it, and the ratio to one SELECT of the same rows
with one line for each value behind the same gunicorn in the same run.
"""

import argparse
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from benchmarks.servers import DURABLE, Client, gunicorn
from tests import services

RUNS = 5
MIB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=int, default=10_000)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings", MOREH_METRICS_KEY=secrets.token_hex(16))
            prepare(options.backends)
            measure()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(backends: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.rest.fill import fill

    call_command("migrate", verbosity=0)
    fill(backends, tokens=100, history=1_000)


def measure() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    limit = scrape("benchmarks.metrics.limit:application", "limit", "-k", "gthread")
    ours = scrape("moreh_cloud.wsgi", "all series", "-c", "deploy/gunicorn.conf.py")
    print(f"ratio to the limit: {ours / limit:.2f}x")
    scrape("moreh_cloud.wsgi", "all series, gzip", "-c", "deploy/gunicorn.conf.py", encoding="gzip")
    os.environ["MOREH_METRICS_DEVICES"] = "0"
    scrape("moreh_cloud.wsgi", "without devices", "-c", "deploy/gunicorn.conf.py")


def scrape(application: str, title: str, *options: str, encoding: str = "identity") -> float:
    """Return the median seconds of a scrape."""
    with ExitStack() as stack:
        port = stack.enter_context(gunicorn(application, *options))
        key = f"Bearer {os.environ['MOREH_METRICS_KEY']}"
        client = Client(port, {"Authorization": key, "Accept-Encoding": encoding})
        client.get("/livez")
        before = memory("VmRSS")
        times = [timed(client) for _ in range(RUNS)]
        size, spent = times[0][1] / MIB, median(seconds for seconds, _size in times)
        peak = memory("VmHWM")
        print(
            f"{title}: {spent:.2f} s (first {times[0][0]:.2f} s), {size:.1f} MiB,"
            f" memory {before:.0f} MiB before, {peak:.0f} MiB at most",
            flush=True,
        )
    return spent


def timed(client: Client) -> tuple[float, int]:
    begin = time.perf_counter()
    status, body, _tag = client.get("/metrics")
    assert status == 200, status
    return time.perf_counter() - begin, len(body)


def memory(line: str) -> float:
    """Return the memory (MiB) of the largest process of the server that was started last."""
    sizes = [_memory(pid, line) for pid in _below(os.getpid())]
    return max(size for size, command in sizes if "gunicorn" in command) / 1024


def _memory(pid: int, line: str) -> tuple[int, str]:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text()
        for one in Path(f"/proc/{pid}/status").read_text().splitlines():
            if one.startswith(line):
                return int(one.split()[1]), command
    return 0, ""


def _below(pid: int) -> Iterator[int]:
    """Yield all processes that this one has started, and theirs."""
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            yield int(child)
            yield from _below(int(child))


if __name__ == "__main__":
    main()
