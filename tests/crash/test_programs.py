"""kill -9 of the programs that run in VMs and on nodes, as they are delivered. The lines are those of docs/adr/0001."""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.constants import DEVICES
from tests.crash.site import ROOT, Site

pytestmark = [pytest.mark.slow, pytest.mark.only_sqlite, pytest.mark.timeout(400)]


def test_line_4_moreh_run_with_its_program_running(site: Site, chance: random.Random, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(site.secrets["tokens"][2])
    command = [sys.executable, "-m", "clients.run.main", "--server", site.server, "--token-file", str(token)]
    started = tmp_path / "started"
    program = f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(os.environ['MOREH_JOB_ID']); "
    site.commands["moreh-run"] = [*command, "--", sys.executable, "-c", f"{program} time.sleep(60)"]
    site.start("moreh-run")
    site.wait(lambda: started.exists() and started.read_text())
    time.sleep(chance.uniform(0, 1))
    site.kill("moreh-run")
    assert site.settle() == []
    assert site.ask("job", number=int(started.read_text())) == ["FAILED", "CLIENT_LOST"]


@pytest.fixture
def agent(site: Site, tmp_path: Path) -> Iterator[Path]:
    """Put the delivered agent with process workers in a node's place; return the book that the workers write."""
    node, book, key = site.nodes[0], tmp_path / "book", tmp_path / "key"
    key.write_text(site.secrets["nodes"][0]["key"])
    book.touch()
    simulated = site.commands[node]
    command = [sys.executable, "-m", "clients.agent.main", "--server", site.server, "--name", node]
    places = ["--key-file", str(key), "--state-dir", str(site.folder / node), "--address", "127.0.0.1"]
    worker = f"{sys.executable} {ROOT / 'tests/crash/worker.py'} {book}"
    site.kill(node)
    site.commands[node] = [*command, *places, "--fake-devices", str(DEVICES), "--worker-command", worker]
    site.start(node)
    yield book
    site.kill(node)
    site.commands[node] = simulated
    site.start(node)


def test_line_12_an_agent_whose_workers_outlive_it(site: Site, chance: random.Random, agent: Path) -> None:
    customers = site.load(chance, jobs=12, longest=4)
    site.wait(lambda: len(agent.read_text().split()) >= 2)
    time.sleep(chance.uniform(0, 1))
    site.kill_and_start(site.nodes[0], down=chance.uniform(0, 1))
    assert site.settle(customers) == []
    assert site.statuses() == {("COMPLETED", "")}
    jobs = agent.read_text().split()
    assert len(set(jobs)) == len(jobs)
