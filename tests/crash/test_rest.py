"""kill -9 of a client that asks and of the web server that writes. The lines are those of docs/adr/0001."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest

from tests.crash.portal import Portal
from tests.crash.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(400)]

PORTALS = 4
KILLS = 3


@pytest.fixture(scope="module")
def portal(site: Site) -> Iterator[Portal]:
    """The web server, running."""
    portal = Portal(site.http_port, site.ask("access"))
    if "web" in site.running:  # of a test that failed
        site.kill_all_of("web")
    site.start("web")
    portal.retry("GET", "/livez")
    yield portal
    site.kill_all_of("web")


def test_line_1_a_client_before_its_job_is_stored(site: Site, chance: random.Random) -> None:
    customers = site.load(chance, shortest=30, longest=31)
    time.sleep(chance.uniform(0.3, 1.2))
    site.kill(customers)
    assert site.settle() == []
    stored = site.ask("jobs", requests=site.requests).values()
    assert {(status, cause) for _job, status, cause, _detail in stored} <= {("FAILED", "CLIENT_LOST")}


def test_line_21_the_web_server(site: Site, chance: random.Random, portal: Portal) -> None:
    mark, enough = uuid4().hex, Event()

    def write(number: int) -> dict[str, str]:
        """Make tokens and change each of them; return the value that was answered for each description."""
        answered: dict[str, str] = {}
        while not enough.is_set():
            description = f"{mark} {number} {len(answered)}"
            made = portal.retry("POST", "/api/v2/token", {"desc": description}, key=description.replace(" ", "-"))
            assert (made.status, made.body["code"]) == (200, "SUCCESS"), made
            answered[description] = made.body["result"]["value"]
            changed = portal.retry("PUT", "/api/v2/token", {"token": answered[description], "priority": 7})
            assert (changed.status, changed.body["result"]["priority"]) == (200, 7), changed
        return answered

    with ThreadPoolExecutor(PORTALS) as pool:
        writing = [pool.submit(write, number) for number in range(PORTALS)]
        try:
            for _time in range(KILLS):
                time.sleep(chance.uniform(0.3, 1))
                site.kill_all_of("web")
                site.start("web")
                portal.retry("GET", "/livez")
            time.sleep(0.5)
        finally:
            enough.set()
    answered = {description: value for done in writing for description, value in done.result().items()}
    rows = site.ask("tokens", prefix=mark)
    assert len(answered) > PORTALS * KILLS
    assert {description: value for description, value, _priority, _events in rows} == answered
    assert len(rows) == len(answered)
    for _description, _value, priority, events in rows:
        assert priority == 7
        # Changing is repeated by the caller, and each time is an event: made once, changed once or once more.
        assert events[:2] == ["CREATE_TOKEN", "UPDATE_TOKEN"]
        assert set(events[2:]) <= {"UPDATE_TOKEN"}
    assert sum(len(events) - 2 for *_row, events in rows) <= PORTALS * KILLS
