"""A new installation for one measurement: private PostgreSQL with fsync, Redis, and rows written in bulk."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.servers import DURABLE
from tests import services

DEVICES = 8  # of a node
TOKENS = 50


@contextmanager
def installation() -> Iterator[None]:
    """Start the servers, make the tables and set Django up; everything is gone afterwards."""
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            _prepare()
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from backends.services.agents import record_presence
    from moreh_cloud.memory import settle

    call_command("migrate", verbosity=0)
    record_presence()
    settle()


def add_nodes(count: int, group_id: int = 0) -> None:
    """Add active nodes of idle devices whose agents have just been heard."""
    from backends.choices import DeviceStatus
    from backends.models import Agent, Backend, Bmc, Device
    from core.clock import db_now

    nodes = Backend.objects.bulk_create(
        Backend(name=f"n{group_id}-{i}", ip="10.0.0.1", group_id=group_id, key_digest=f"{group_id:04}{i:060}")
        for i in range(count)
    )
    Bmc.objects.bulk_create(Bmc(backend=node, ip="10.0.0.1") for node in nodes)
    Agent.objects.bulk_create(Agent(backend=node, last_seen=db_now()) for node in nodes)
    Device.objects.bulk_create(
        (Device(backend=node, index=i, status=DeviceStatus.IDLE, why="") for node in nodes for i in range(DEVICES)),
        batch_size=10_000,
    )


def add_jobs(count: int, group_id: int = 0, num_devices: int = 1) -> None:
    """Add waiting jobs of three priorities and 50 tokens, of which a third may hold only so many devices."""
    from core.clock import db_now
    from scheduler.models import Job
    from tests import make

    sdas = [make.sda(max_duplicates=0, max_devices=None if i % 3 else 1_000_000) for i in range(TOKENS)]
    now = db_now()
    Job.objects.bulk_create(
        (
            Job(
                token_id=sdas[i % TOKENS].token_id,
                sda=sdas[i % TOKENS],
                group_id=group_id,
                num_devices=num_devices,
                priority=i % 3,
                request_id=str(i),
                client_seen_at=now,
                requested_at=now,
            )
            for i in range(count)
        ),
        batch_size=10_000,
    )
    _analyze()


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
