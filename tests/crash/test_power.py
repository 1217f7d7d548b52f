"""Power actions whose worker or driver dies at a random moment. The lines are those of docs/adr/0001."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.only_postgresql, pytest.mark.timeout(400)]

ENDED = ("SUCCEEDED", "FAILED", "UNKNOWN")
POWERED_OFF = [["SHUTDOWN", "POWERED_OFF"]]


def act(site: Site, node: str, verb: str) -> int:
    return int(site.ask("power", node=node, command=verb))


def end_of(site: Site, action: int) -> str:
    site.wait(lambda: site.ask("action", number=action)["state"] in ENDED)
    return str(site.ask("action", number=action)["state"])


def executed(site: Site, node: str) -> list[str]:
    """Return what the node's BMC has carried out so far."""
    return [line["power"] for line in site.witness(node) if "power" in line]


# A cycle is switched off and on, because many BMCs cannot do it at once.
@pytest.mark.parametrize(("verb", "commands"), [("off", ["off"]), ("cycle", ["off", "on"])])
def test_lines_16_and_17_the_power_worker(site: Site, chance: random.Random, verb: str, commands: list[str]) -> None:
    node = chance.choice(site.nodes)
    before = executed(site, node)
    action = act(site, node, verb)
    time.sleep(chance.uniform(0, 2))
    site.kill_and_start("power", down=chance.uniform(0, 1))
    assert end_of(site, action) == "SUCCEEDED"
    assert executed(site, node) == before + commands
    if verb == "off":
        assert end_of(site, act(site, node, "on")) == "SUCCEEDED"
    assert site.settle() == []


def test_line_18_a_reset_is_never_sent_twice(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    before = executed(site, node)
    action = act(site, node, "reset")
    time.sleep(chance.uniform(0, 0.6))
    site.kill_and_start("power", down=chance.uniform(0, 1))
    state = end_of(site, action)
    commands_sent = executed(site, node)[len(before) :]
    assert (state, commands_sent) in [("SUCCEEDED", ["reset"]), ("UNKNOWN", ["reset"]), ("UNKNOWN", [])]
    assert site.settle() == []


def test_line_19_a_driver_process(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    before = executed(site, node)
    action = act(site, node, "cycle")
    time.sleep(chance.uniform(0, 1))
    for pid in _children_of(site.running["power"].pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert end_of(site, action) == "SUCCEEDED"
    assert executed(site, node) == [*before, "off", "on"]
    assert site.settle() == []


def test_line_20_a_node_that_is_powered_off_under_load(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    customers = site.load(chance)
    time.sleep(chance.uniform(0.5, 2))
    assert end_of(site, act(site, node, "off")) == "SUCCEEDED"
    site.wait(lambda: site.ask("devices", node=node) == POWERED_OFF * 4)
    assert end_of(site, act(site, node, "on")) == "SUCCEEDED"
    assert site.settle(customers) == []
    causes = {"POWERED_OFF", "NODE_LOST", "PREPARATION_TIMED_OUT"}
    assert site.statuses() <= {("COMPLETED", ""), *(("FAILED", cause) for cause in causes)}


def test_lines_32_and_33_a_power_action_that_waits_for_a_drain(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    customers = site.load(chance, longest=1.0)
    time.sleep(chance.uniform(0.5, 1))
    before = executed(site, node)
    action = int(site.ask("drain_power", node=node, command="cycle", seconds=60))
    for process in ("beat", "power"):
        time.sleep(chance.uniform(0, 1))
        site.kill_and_start(process, down=chance.uniform(0, 1))
    assert end_of(site, action) == "SUCCEEDED"
    assert executed(site, node) == [*before, "off", "on"]
    site.ask("activate", node=node)
    assert site.settle(customers) == []


def _children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]
