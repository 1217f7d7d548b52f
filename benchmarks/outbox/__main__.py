"""Deliveries beside bare posts: `python -m benchmarks.outbox [--deliveries 5000]`.

Starts a private PostgreSQL (fsync on), Redis and a local receiver. Prints how many deliveries a second one channel
gets, each a message of its own and in groups of up to 100; beside the same posts by eight threads with Python's
http.client, over kept connections, without rows and signatures. Then the time from the commit of one delivery to its
receipt with a worker as delivered, beside one bare post.
"""

import argparse
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import mkdtemp
from typing import Any

from benchmarks.servers import DURABLE, ROOT
from tests import services

THREADS = 8
SINGLE = 100  # deliveries whose time is measured one by one
BODY = b"x" * 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=5_000)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker, receiver() as port:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings", MOREH_OUTBOX_HTTP="1")
            os.environ.update(MOREH_OUTBOX_NETWORKS="127.0.0.0/8", MOREH_OUTBOX_AT_ONCE=str(THREADS))
            measure(port, options.deliveries)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def receiver() -> Iterator[int]:
    """Run the receiver in a process of its own; yields its port."""
    port = services.free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.outbox.receiver", str(port)], cwd=ROOT)
    try:
        time.sleep(1)
        yield port
    finally:
        process.kill()
        process.wait()


def measure(port: int, number: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    channel = make_channel("throughput", port)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    limit = bare_posts(port, number)
    print(f"bare posts, {THREADS} threads       {limit:8.0f} /s")
    for name, group in (("one message each", ""), ("groups of up to 100", "g")):
        rate = delivered(channel, number, group)
        print(f"{name:26} {rate:8.0f} deliveries/s, {rate / limit:.2f}x the limit")
    times_to_receipt()


def make_channel(name: str, port: int) -> Any:
    from events.actor import SYSTEM
    from outbox.services import create_channel

    return create_channel(name=name, kind="WEBHOOK", url=f"http://127.0.0.1:{port}/", actor=SYSTEM)[0]


def bare_posts(port: int, number: int) -> float:
    """Return the posts per second of threads that keep their connections."""

    def run(posts: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(posts):
            connection.request("POST", "/", BODY)
            connection.getresponse().read()

    begin = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(run, [number // THREADS] * THREADS))
    return number / (time.perf_counter() - begin)


def delivered(channel: Any, number: int, group: str) -> float:
    """Return the deliveries per second from the first transaction of the worker to the last."""
    from outbox import work
    from outbox.models import Delivery
    from outbox.services import NewDelivery, enqueue

    enqueue(NewDelivery(channel.pk, "test", {"channel": "x" * 120}, f"k/{one}", group) for one in range(number))
    begin = time.perf_counter()
    while work.send_channel(channel.pk):
        pass
    spent = time.perf_counter() - begin
    assert not Delivery.objects.exclude(state="SENT").exists()
    return number / spent


def times_to_receipt() -> None:
    """Print the time from the commit of a delivery to its receipt, with a worker process and its wake-up."""
    from moreh_cloud.supervisor.parts import BACKGROUND
    from outbox.services import NewDelivery, enqueue
    from tests.outbox.receiver import OK, receiving

    at: list[float] = []

    def manners(_received: object, _sock: object) -> bytes:
        at.append(time.perf_counter())
        return OK

    with receiving(manners) as here:
        channel = make_channel("latency", here.port)
        worker = subprocess.Popen(BACKGROUND["outbox"], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            begun = [time.perf_counter()]
            enqueue([NewDelivery(channel.pk, "test", {"channel": "first"})])
            _wait(at, 1)
            for count in range(2, SINGLE + 2):
                time.sleep(0.05)
                begun.append(time.perf_counter())
                enqueue([NewDelivery(channel.pk, "test", {"channel": "x"})])
                _wait(at, count)
        finally:
            worker.terminate()
            worker.wait()
        took = [(end - begin) * 1000 for begin, end in zip(begun, at, strict=True)][1:]
        bare = _one_by_one(here.port)
    print(f"commit to receipt    median {median(took):6.1f} ms, p99 {quantiles(took, n=100)[98]:6.1f} ms")
    print(f"one bare post        median {bare:6.1f} ms")


def _one_by_one(port: int) -> float:
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(SINGLE):
        begin = time.perf_counter()
        connection.request("POST", "/", BODY)
        connection.getresponse().read()
        times.append((time.perf_counter() - begin) * 1000)
    return median(times)


def _wait(at: list[float], count: int) -> None:
    until = time.monotonic() + 60
    while len(at) < count:
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
