"""The whole tick (load, plan, apply) on PostgreSQL: `python -m benchmarks.scheduler.tick [nodes] [jobs]`.

Starts a private PostgreSQL with fsync on, fills it with idle 8-device nodes and waiting jobs of one device, and prints
how long each part of the tick takes, allocations per second, and the cost of a tick with nothing to do.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import TypeVar

from tests import services

T = TypeVar("T")
DURABLE = ("-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB")


def main(nodes: int, jobs: int) -> None:
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            measure(nodes, jobs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(nodes: int, jobs: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(nodes, jobs)
    from django.db import connection

    from scheduler.apply import apply
    from scheduler.load import load
    from scheduler.models import Allocation
    from scheduler.policy.plan import plan
    from scheduler.tick import acquire
    from scheduler.work import tick_all

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    lease = acquire(0)
    assert lease
    snapshot = timed("load", lambda: load(0))
    decisions = timed("plan", lambda: plan(snapshot))
    begun = perf_counter()
    timed("apply", lambda: apply(lease, snapshot, decisions))
    spent = perf_counter() - begun
    made = Allocation.objects.count()
    print(f"{nodes} nodes, {jobs} jobs, {os.cpu_count()} cores: {made} allocations, {made / spent:,.0f}/s in apply")
    timed("nothing to do", tick_all)


def fill(nodes: int, jobs: int) -> None:
    """Put nodes and jobs into the tables in bulk: what the services would have written, faster."""
    from backends.choices import DeviceStatus
    from backends.models import Agent, Backend, Bmc, Device
    from backends.services.agents import show_presence
    from moreh_cloud.lib.clock import db_now
    from scheduler.models import Job
    from tests import make

    show_presence()
    now = db_now()
    made = Backend.objects.bulk_create(
        Backend(name=f"n{i}", ip="10.0.0.1", group_id=0, key_digest=f"{i:064}") for i in range(nodes)
    )
    Bmc.objects.bulk_create(Bmc(backend=node, ip="10.0.0.1") for node in made)
    Agent.objects.bulk_create(Agent(backend=node, last_seen=now) for node in made)
    Device.objects.bulk_create(
        Device(backend=node, index=i, status=DeviceStatus.IDLE, why="") for node in made for i in range(8)
    )
    sdas = [make.sda(max_duplicates=0) for _ in range(50)]
    Job.objects.bulk_create(
        Job(
            token_id=sdas[i % 50].token_id,
            sda=sdas[i % 50],
            group_id=0,
            num_devices=1,
            priority=i % 3,
            request_id=str(i),
            client_seen_at=now,
            requested_at=now,
        )
        for i in range(jobs)
    )


def timed(name: str, call: Callable[[], T]) -> T:
    begun = perf_counter()
    result = call()
    print(f"{name:<16}{(perf_counter() - begun) * 1000:>10.1f} ms")
    return result


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("1000", "10000")[len(sys.argv) - 1 :])))
