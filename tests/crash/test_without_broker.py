"""What goes on, slower, while the broker is away. The lines are those of docs/adr/0001."""

import random
import time

import pytest

from tests.crash.site import Site
from tests.crash.test_kills import UNHARMED
from tests.crash.test_power import act, end_of, executed

pytestmark = [pytest.mark.slow, pytest.mark.only_sqlite, pytest.mark.timeout(400)]

SERVERS = ("worker", "power", "beat", "grpc")
STEPS_IN = 12 + 2 + 5  # seconds: overdue, looked at, and a busy machine


def test_line_9_without_a_broker_jobs_start_end_and_are_given_up(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    logged = {name: site.size_of_log(name) for name in SERVERS}
    site.kill("broker")
    begun = time.monotonic()
    customers = site.load(chance)
    site.wait(lambda: site.running[customers].poll() is not None)
    assert site.running.pop(customers).returncode == 0, site.log_of(customers)
    assert site.statuses() == UNHARMED
    assert time.monotonic() - begun < STEPS_IN + 30

    site.wait(lambda: not any(site.jobs_on(name) for name in site.nodes))  # the ended ones are cleaned away
    customers = site.load(chance, shortest=60, longest=61)
    site.wait(lambda: all(site.jobs_on(name) for name in site.nodes))
    doomed = site.jobs_on(node)
    site.kill(node)
    site.wait(lambda: {why for _status, why in site.ask("devices", node=node)} == {"NODE_LOST"})
    ends = [site.ask("job", number=job) for job in doomed]
    assert all(end == ["FAILED", "NODE_LOST"] or end[0] == "COMPLETED" for end in ends), ends  # its program had ended
    assert ["FAILED", "NODE_LOST"] in ends
    site.kill(customers)
    site.wait(lambda: {status for status, _cause in site.statuses()} <= {"FAILED", "COMPLETED"})
    assert ("FAILED", "CLIENT_LOST") in site.statuses()

    other = next(name for name in site.nodes if name != node)
    before = executed(site, other)
    assert end_of(site, act(site, other, "off")) == "SUCCEEDED"
    site.wait(lambda: {why for _status, why in site.ask("devices", node=other)} == {"POWERED_OFF"})
    assert end_of(site, act(site, other, "on")) == "SUCCEEDED"
    assert executed(site, other) == [*before, "off", "on"]

    site.start("broker")
    site.start(node)
    assert site.settle() == []
    customers = site.load(chance)
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED
    for name in SERVERS:
        assert "Traceback" not in site.log_of(name, since=logged[name]), name


def test_line_5_without_a_worker_for_good_jobs_start(site: Site, chance: random.Random) -> None:
    site.kill("worker")
    customers = site.load(chance)
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED
    site.start("worker")
    customers = site.load(chance)
    assert site.settle(customers) == []
