"""An older database is restored while nodes and clients go on. The lines are those of docs/adr/0001."""

import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scheduler.ids import GAP
from tests import services
from tests.crash.conftest import new_site
from tests.crash.site import Site
from tests.crash.test_kills import UNHARMED

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(400)]

SERVERS = ("grpc", "worker", "power", "beat")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own, because what was stored is lost."""
    with new_site(tmp_path_factory) as site:
        yield site


def dump(site: Site) -> None:
    """Keep the database as it is now."""
    if url := site.env.get("DATABASE_URL"):
        _run("pg_dump", "--format=custom", f"--file={site.folder / 'dump'}", f"--dbname={url}")
    else:
        _copy(site.folder / "moreh.sqlite3", site.folder / "dump")


def restore(site: Site) -> None:
    """Bring back what was kept."""
    if url := site.env.get("DATABASE_URL"):
        _run("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={url}", str(site.folder / "dump"))
    else:
        _copy(site.folder / "dump", site.folder / "moreh.sqlite3")


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target, timeout=30)) as write:
        read.backup(write)


def _run(program: str, *arguments: str) -> None:
    folder = services.postgres_bin()
    assert folder is not None
    subprocess.run([str(folder / program), *arguments], check=True, env=dict(os.environ), capture_output=True)


def test_line_31_a_database_from_before_the_last_jobs(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    assert site.settle(customers) == []
    dump(site)
    dumped = time.monotonic()
    customers = site.load(chance)
    assert site.settle(customers) == []
    lost = site.load(chance, jobs=3, shortest=100, longest=101)
    site.wait(lambda: any(site.jobs_on(name) for name in site.nodes))
    time.sleep(1)
    for name in SERVERS:
        site.kill(name)
    running = {name: site.jobs_on(name) for name in site.nodes}
    time.sleep(max(0.0, dumped + GAP.total_seconds() + 3 - time.monotonic()))  # less is no outage: ids go on
    restore(site)
    site.kill(lost)
    site.received.clear()
    for name in SERVERS:
        site.start(name)
    node = next(name for name in site.nodes if running[name])
    site.wait(lambda: ["SHUTDOWN", "UNKNOWN_WORKER"] in site.ask("devices", node=node))
    assert {name: site.jobs_on(name) for name in site.nodes} == running
    customers = site.load(chance)
    assert site.settle(customers) == []  # no worker was started twice, by the books of the nodes
    assert site.statuses() == UNHARMED
    assert not any(site.jobs_on(name) for name in site.nodes)
