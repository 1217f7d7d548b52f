"""kill -9 of each process at a random moment under load. The lines are those of docs/adr/0001."""

import random
import signal
import time

import pytest

from tests.crash.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(400)]

UNHARMED = {("COMPLETED", "")}
AWAY = {
    "lines 2 and 3: the gRPC server": "grpc",
    "lines 5, 6 and 7: the scheduling worker": "worker",
    "line 8: beat": "beat",
    "line 9: the broker": "broker",
    "lines 16 to 18: the power worker": "power",
}
CHANCE_FOR_KILL = 2.5  # seconds in which the load is busy


@pytest.mark.parametrize("name", AWAY.values(), ids=AWAY.keys())
def test_jobs_do_not_feel_the_death_of(site: Site, chance: random.Random, name: str) -> None:
    customers = site.load(chance)
    time.sleep(chance.uniform(0, CHANCE_FOR_KILL))
    site.kill_and_start(name, down=chance.uniform(0, 1))
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED


def test_line_3_the_grpc_server_twice_in_a_row(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    for _time in range(2):
        time.sleep(chance.uniform(0.5, CHANCE_FOR_KILL))
        site.kill_and_start("grpc", down=chance.uniform(0, 0.5))
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED


def test_line_9_the_broker_again_and_again(site: Site, chance: random.Random) -> None:
    for _round in range(3):
        customers = site.load(chance)
        for _time in range(2):
            time.sleep(chance.uniform(0, 1.5))
            site.kill_and_start("broker", down=chance.uniform(0, 0.5))
        assert site.settle(customers) == []
        assert site.statuses() == UNHARMED


def test_line_4_a_client_that_comes_back_within_its_grace_keeps_its_jobs(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    time.sleep(chance.uniform(1, CHANCE_FOR_KILL))
    site.kill_and_start(customers, down=0)
    assert site.settle(customers) == []
    assert site.statuses() == UNHARMED


def test_line_4_a_client_that_stays_away_loses_its_jobs(site: Site, chance: random.Random) -> None:
    customers = site.load(chance, longest=30)
    accepted = lambda: len(site.ask("jobs", requests=site.requests)) == len(site.requests)  # noqa: E731
    site.wait(accepted)
    time.sleep(chance.uniform(0, 1))
    site.kill(customers)
    assert site.settle() == []
    assert site.statuses() <= {*UNHARMED, ("FAILED", "CLIENT_LOST")}
    assert ("FAILED", "CLIENT_LOST") in site.statuses()


def test_lines_10_to_13_an_agent_whose_workers_die_with_it(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    time.sleep(chance.uniform(0, CHANCE_FOR_KILL))
    site.kill_and_start(chance.choice(site.nodes), down=chance.uniform(0, 1))
    assert site.settle(customers) == []
    assert site.statuses() <= {*UNHARMED, ("FAILED", "WORKER_ERROR")}


def test_lines_11_and_12_the_jobs_whose_workers_died_with_their_agent_fail(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    customers = site.load(chance, shortest=30, longest=31)
    site.wait(lambda: site.jobs_on(node))
    time.sleep(chance.uniform(0, 0.5))
    doomed = site.jobs_on(node)
    site.kill_and_start(node, down=chance.uniform(0, 1))
    site.wait(lambda: all(site.ask("job", number=job) == ["FAILED", "WORKER_ERROR"] for job in doomed))
    site.kill(customers)
    assert site.settle() == []


def test_line_14_a_node_that_is_gone_for_long(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    customers = site.load(chance)
    time.sleep(chance.uniform(0.5, CHANCE_FOR_KILL))
    site.kill(node)
    site.wait(lambda: {why for _status, why in site.ask("devices", node=node)} == {"NODE_LOST"})
    assert {status for status, _why in site.ask("devices", node=node)} == {"SHUTDOWN"}
    site.start(node)
    assert site.settle(customers) == []
    assert site.statuses() <= {*UNHARMED, ("FAILED", "NODE_LOST"), ("FAILED", "PREPARATION_TIMED_OUT")}


def test_line_15_a_worker_on_a_node(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    for _time in range(6):
        time.sleep(chance.uniform(0, 0.5))
        site.running[chance.choice(site.nodes)].send_signal(signal.SIGUSR1)
    assert site.settle(customers) == []
    assert site.statuses() <= {*UNHARMED, ("FAILED", "WORKER_ERROR")}


def test_line_24_everything_at_once(site: Site, chance: random.Random) -> None:
    customers = site.load(chance)
    time.sleep(chance.uniform(0.5, CHANCE_FOR_KILL))
    names = ["broker", "grpc", "worker", "power", "beat", *site.nodes, customers]
    chance.shuffle(names)
    for name in names:
        site.kill(name)
    chance.shuffle(names)
    for name in names:
        site.start(name)
    assert site.settle(customers) == []
    causes = {"WORKER_ERROR", "CLIENT_LOST", "NODE_LOST", "PREPARATION_TIMED_OUT"}
    assert site.statuses() <= {*UNHARMED, *(("FAILED", cause) for cause in causes)}
