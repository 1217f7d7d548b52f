"""kill -9 of the worker that carries out a bulk action. The line is that of docs/adr/0001."""

import random
import time

import pytest

from tests.crash.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(180)]

TOKENS = 1500
KILLS = 3


def test_line_25_a_worker_in_a_bulk_action(site: Site, chance: random.Random) -> None:
    number = site.ask("begin_bulk_deletion", number=TOKENS)
    for _time in range(KILLS):
        before = site.ask("bulk", number=number)
        assert before["done"] < TOKENS, "all was done before the worker could be killed"
        site.wait(lambda known=before["done"]: site.ask("bulk", number=number)["done"] > known)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.3))
        site.kill_and_start("worker", down=0)
    assert site.ask("bulk", number=number)["done"] < TOKENS
    site.wait(lambda: site.ask("bulk", number=number)["state"] == "ENDED", within=90)
    ended = site.ask("bulk", number=number)
    assert (ended["done"], ended["items"], ended["times"]) == (TOKENS, {"DONE": TOKENS}, [1])
    assert ended["attempt"] > KILLS
    assert site.settle() == []
