"""Everything at once, for a while: at the end every invariant holds and nothing that was accepted is lost.

Jobs arrive, end, are canceled and re-prioritised, and are preempted; policies and limits change; two scheduling
workers, beat and the operators tick at once; meanwhile nodes vanish, processes die by kill -9, and the database ends
connections.
"""

import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

from moreh_cloud.supervisor.parts import WORKER
from tests.crash.conftest import new_site
from tests.crash.site import Site

FIRE_S = float(os.environ.get("MOREH_TEST_FIRE_S", "10"))
pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(300 + 2 * FIRE_S)]

LOADS = 3  # processes of customers at once
JOBS = 8
FAILURES = {"WORKER_ERROR", "CLIENT_LOST", "NODE_LOST", "PREPARATION_TIMED_OUT"}
ENDS = {("COMPLETED", ""), ("CANCELED", "BY_OPERATOR"), *(("FAILED", cause) for cause in FAILURES)}
END_ONE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    ORDER BY md5(pid::text || %s) LIMIT 1
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own, because policies and limits change, and processes are added."""
    with new_site(tmp_path_factory) as site:
        yield site


class Fire:
    """What happens to a site, drawn from one seed; counts what was done."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site = site
        self._chance = chance
        self._away: dict[str, float] = {}
        self.customers: list[str] = []
        self.done: Counter[str] = Counter()
        self.requests: list[str] = []
        self._acts: tuple[tuple[int, Callable[[], None]], ...] = (
            (20, self._end_a_connection),
            (4, lambda: self._take_away("worker", "worker-2")),
            (1, lambda: self._take_away("operators")),
            (2, lambda: self._take_away("grpc", "beat", "broker")),
            (2, lambda: self._take_away(*site.nodes)),
            (2, self._kill_customers),
        )

    def burn(self, seconds: float) -> None:
        """Keep the load up and do one bad thing after the other; at the end everybody is back."""
        end = time.monotonic() + seconds
        weights, acts = zip(*self._acts, strict=True)
        while time.monotonic() < end:
            self._bring_back()
            self._keep_load()
            self._chance.choices(acts, weights)[0]()
            time.sleep(self._chance.uniform(0.05, 0.4))
        self._bring_back(everybody=True)

    def _keep_load(self) -> None:
        busy = [name for name in self.customers if name in self._away or self._site.running[name].poll() is None]
        if len(busy) < LOADS:
            self.customers.append(self._site.load(self._chance, jobs=JOBS, longest=2.5))
            self.requests += self._site.requests

    def _take_away(self, *names: str) -> None:
        """kill -9; it comes back within two seconds, a node sometimes only after it was given up."""
        name = self._chance.choice(names)
        if name not in self._away:
            self._site.kill(name)
            longest = 9 if name in self._site.nodes and self._chance.random() < 0.3 else 2
            self._away[name] = time.monotonic() + self._chance.uniform(0, longest)
            self.done[name] += 1

    def _kill_customers(self) -> None:
        """Let the clients of a VM die; they come back and ask again for what they have not heard the end of."""
        alive = [name for name in self.customers if name not in self._away]
        if alive and self._site.running[alive[-1]].poll() is None:
            self._take_away(alive[-1])

    def _bring_back(self, *, everybody: bool = False) -> None:
        now = time.monotonic()
        for name in [name for name, at in self._away.items() if everybody or at <= now]:
            del self._away[name]
            self._site.start(name)

    def _end_a_connection(self) -> None:
        """PostgreSQL ends a connection of its choice; SQLite is written to by somebody else for a moment."""
        if url := self._site.env.get("DATABASE_URL"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(END_ONE, [str(self._chance.random())])
        else:
            path = self._site.folder / "moreh.sqlite3"
            with closing(sqlite3.connect(path, isolation_level=None)) as other, suppress(sqlite3.OperationalError):
                other.execute("BEGIN IMMEDIATE")
                time.sleep(self._chance.uniform(0, 0.2))
                other.execute("ROLLBACK")
        self.done["connections"] += 1


def test_every_invariant_holds_after_everything_at_once(site: Site, chance: random.Random) -> None:
    received = site.folder / "operators.received"
    site.commands["worker-2"] = [*WORKER, "--queues", "celery", "--concurrency", "4", "--hostname", "worker-2@%h"]
    site.act("operators", seed=chance.randrange(2**32), received=str(received))
    site.start("worker-2")
    site.wait(received.exists)
    fire = Fire(site, chance)
    fire.burn(FIRE_S)
    site.kill("operators")
    site.ask("calm")
    for customers in fire.customers[:-1]:
        site.wait(lambda name=customers: site.running[name].poll() is not None)  # type: ignore[misc]
        assert site.running.pop(customers).returncode == 0, site.log_of(customers)
    assert site.settle(fire.customers[-1]) == []
    found = site.ask("jobs", requests=fire.requests)
    assert sorted(found) == sorted(fire.requests)
    ends = {job: (status, cause) for job, status, cause, _detail in found.values()}
    assert set(ends.values()) <= ENDS
    acts: list[dict[str, Any]] = [json.loads(line) for line in received.read_text().splitlines()]
    assert {ends[act["canceled"]] for act in acts if "canceled" in act} <= {("CANCELED", "BY_OPERATOR")}
    print(dict(fire.done), Counter(ends.values()), Counter(next(iter(act)) for act in acts), site.ask("preempted"))
    assert [act for act in acts if "differs" in act] == []
    assert {"policy", "limited", "began"} <= {next(iter(act)) for act in acts}
    assert fire.done["connections"] > 0
    assert ("COMPLETED", "") in ends.values()
