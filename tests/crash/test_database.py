"""The database dies under load, or is slow. The lines are those of docs/adr/0001."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests import services
from tests.crash.conftest import installation
from tests.crash.portal import Portal
from tests.crash.site import TIMES, Site
from tests.crash.test_kills import UNHARMED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DURABLE = ("-c", "max_connections=200")  # with fsync, as in production
# Longer than every grace that would count.
AWAY = 1 + max(float(TIMES[name]) for name in ("MOREH_NODE_LOST_AFTER", "MOREH_CLIENT_GRACE", "MOREH_PRESENCE_GAP"))
FOUND_AGAIN = 6.0  # seconds; no process may wait for the database as long as it was away


@pytest.fixture(scope="module")
def server() -> Iterator[services.PostgresServer]:
    """A PostgreSQL that nobody else uses."""
    folder = Path(mkdtemp(prefix="moreh-postgres-"))  # pytest's own folders are closed to PostgreSQL's user
    server = services.PostgresServer(folder, DURABLE)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def killable(server: services.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation on that server."""
    with installation(tmp_path_factory.mktemp("d"), server.url) as site:
        yield site


def _portal(site: Site) -> Portal:
    """Start the web server, unless it runs."""
    portal = Portal(site.http_port, site.ask("access"))
    if "web" not in site.running:
        site.start("web")
    assert portal.retry("GET", "/api/v2/token").status == 200
    return portal


@pytest.mark.only_postgresql
def test_line_23_back_ends_of_the_database(
    killable: Site, server: services.PostgresServer, chance: random.Random
) -> None:
    customers = killable.load(chance)
    for _time in range(2):
        time.sleep(chance.uniform(0.5, 1.5))
        killable.wait(server.back_ends)
        with suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(server.back_ends()), signal.SIGKILL)
    assert killable.settle(customers) == []
    assert killable.statuses() == UNHARMED


@pytest.mark.only_postgresql
def test_line_23_a_database_that_is_away_for_longer_than_every_grace(
    killable: Site, server: services.PostgresServer, chance: random.Random
) -> None:
    portal = _portal(killable)
    _since, before = killable.ask("presence")
    customers = killable.load(chance, jobs=3, shortest=1, longest=AWAY + 2)
    killable.wait(lambda: any(killable.jobs_on(node) for node in killable.nodes))
    server.kill()
    gone, running = time.monotonic(), [killable.jobs_on(node) for node in killable.nodes]
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda path: portal.call("GET", path), ["/api/v2/token", "/readyz", "/livez"])
        refused, ready, alive = answers
    assert (refused.status, refused.body["code"], refused.headers["Retry-After"]) == (503, "DATABASE_ERROR", "2")
    assert (ready.status, alive.status) == (503, 200)
    time.sleep(max(0.0, gone + AWAY - time.monotonic()))
    assert killable.running[customers].poll() is None
    assert [killable.jobs_on(node) for node in killable.nodes] == running
    server.start()
    back = time.monotonic()
    assert portal.retry("POST", "/api/v2/token", {"desc": "after"}, key="after").status == 200
    assert time.monotonic() - back < FOUND_AGAIN
    assert killable.settle(customers) == []
    assert killable.statuses() == UNHARMED
    assert killable.ask("presence")[0] > before


@pytest.mark.only_sqlite
def test_line_23_a_database_that_somebody_else_writes_to(site: Site, chance: random.Random) -> None:
    portal = _portal(site)
    customers = site.load(chance)
    for _time in range(2):
        time.sleep(chance.uniform(0.2, 1))
        with (
            ThreadPoolExecutor() as pool,
            closing(sqlite3.connect(site.folder / "moreh.sqlite3", isolation_level=None)) as other,
        ):
            other.execute("BEGIN IMMEDIATE")
            written = pool.submit(portal.call, "POST", "/api/v2/token", {"desc": "late"})
            begun = time.monotonic()
            assert portal.call("GET", "/api/v2/token").status == 200
            assert time.monotonic() - begun < 1
            time.sleep(chance.uniform(2, 4))
            assert not written.done()
            other.execute("ROLLBACK")
            assert written.result().status == 200
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED
    site.kill_all_of("web")
