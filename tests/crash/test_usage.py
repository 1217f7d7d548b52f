"""kill -9 of the worker that closes hours. The lines are those of docs/adr/0001."""

import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from moreh_cloud.supervisor.parts import MANAGE
from tests.crash.conftest import new_site
from tests.crash.site import ROOT, Site

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(400)]

DAYS = 200
KILLS = 5  # at most; a fast worker has closed all of it before the last


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own, because all that customers held is counted."""
    with new_site(tmp_path_factory) as site:
        yield site


def test_line_22_the_worker_that_closes_hours(site: Site, chance: random.Random) -> None:
    held = site.ask("history", days=DAYS)
    killed_within = 0
    for _time in range(KILLS):
        before = site.ask("hours")
        if before["open"] == 0:
            break
        site.ask("enqueue_roll_up")
        site.wait(lambda known=before["closed"]: site.ask("hours")["closed"] > known)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.1))
        site.kill_and_start("worker", down=0)
        killed_within += site.ask("hours")["open"] > 0
    assert killed_within > 0, "all was closed before the worker could be killed"
    site.ask("enqueue_roll_up")
    site.wait(lambda: site.ask("hours")["open"] == 0)
    assert site.ask("hours")["held"] == held
    audit = subprocess.run([*MANAGE, "prove"], env=site.env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (audit.returncode, audit.stderr) == (0, "")
    assert site.settle() == []
