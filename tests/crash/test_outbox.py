"""kill -9 of the outbox worker while it sends. The lines are those of docs/adr/0001."""

import random
import time
from typing import Any

import pytest

from tests.crash.site import Site
from tests.outbox.receiver import OK, receiving

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(180)]

MESSAGES, KEYS, KILLS = 1000, 100, 2


def slowly(_received: Any, _sock: Any) -> bytes:
    """Accept a message after a moment, so that a worker dies before it knows."""
    time.sleep(0.03)
    return OK


def test_lines_44_to_46_an_outbox_worker_that_sends(site: Site, chance: random.Random) -> None:
    with receiving(slowly) as receiver:
        site.ask("enqueue_messages", url=receiver.url, number=MESSAGES, keys=KEYS)
        site.start("outbox")
        for _time in range(KILLS):
            seen = len(receiver.received)
            site.wait(lambda seen=seen: len(receiver.received) > seen)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.8))
            site.kill_and_start("outbox", down=0)
        assert site.ask("deliveries").get("SENT", 0) < MESSAGES, "all were sent before the worker could be killed"
        site.wait(lambda: site.ask("deliveries") == {"SENT": MESSAGES})
        got = [(int(one.json["data"]["channel"]), one.headers["webhook-id"], one.body) for one in receiver.received]
    assert {number for number, _id, _body in got} == set(range(MESSAGES))  # each arrived
    assert len(set(got)) == MESSAGES  # and whatever came twice had the same id and content
    assert len(got) > MESSAGES, "no worker died between an acceptance and its record"
    first = list(dict.fromkeys(number for number, _id, _body in got))
    for key in range(KEYS):
        about = [number for number in first if number % KEYS == key]
        assert about == sorted(about)
