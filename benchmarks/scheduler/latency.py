"""From a request to its devices: `python -m benchmarks.scheduler.latency NODES ELSEWHERE [SAMPLES]`.

A job is submitted through the service that the gRPC interface calls, one at a time, on free devices, while ELSEWHERE
jobs wait in another group and a Celery worker as delivered takes its messages. Prints one line of JSON: milliseconds
until it is SUBMITTED.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.scheduler.installation import add_jobs, add_nodes, installation
from benchmarks.servers import ROOT

TIMEOUT = 60.0  # seconds
WARM = 10  # requests before those that count: a server that has served before


def measure(nodes: int, elsewhere: int, samples: int) -> dict[str, Any]:
    """Ask for one device after the other and wait for each."""
    from backends.models import BackendGroup
    from tests import make

    add_nodes(nodes)
    other = BackendGroup.objects.create(name="elsewhere", index=1)
    add_nodes(1, other.pk)
    add_jobs(elsewhere, other.pk, num_devices=9)
    accelerator = make.sda(max_duplicates=0)
    with _worker():
        for _ in range(WARM):  # the first one waits for the worker to come up
            _ask(accelerator)
        times = sorted(_ask(accelerator) * 1000 for _ in range(samples))
    return {
        "mean_ms": statistics.fmean(times),
        "p50_ms": statistics.median(times),
        "p99_ms": times[int(0.99 * len(times))],
    }


def _ask(accelerator: Any) -> float:
    from scheduler.models import Job
    from tests import make

    begun = time.perf_counter()
    job = make.job(accelerator)
    while Job.objects.filter(pk=job.pk, status="WAITING").exists():
        assert time.perf_counter() - begun < TIMEOUT
        time.sleep(0.0005)
    return time.perf_counter() - begun


@contextmanager
def _worker() -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "moreh_cloud", "worker"]
    options = ["--pool", "threads", "--concurrency", "4", "--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
    with subprocess.Popen([*command, *options], cwd=ROOT, env={**os.environ, "MOREH_LOG_LEVEL": "ERROR"}) as process:
        try:
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    with installation():
        print(json.dumps(measure(*map(int, (*sys.argv[1:3], *(sys.argv[3:4] or ["200"]))))), flush=True)
