"""Every import contract fails when it is broken: each is tried on a copy of the code with one planted import."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")
ROOTS = CONTRACTS["importlinter"]["root_packages"].split()

# sentence: (contract, file that gets a line or is made, the line)
BROKEN = {
    "machines import the scheduler": ("layers", "backends/queries/__init__.py", "import scheduler.models"),
    "siblings see each other": ("layers", "tokens/services/tokens.py", "import backends.models"),
    "the event log knows a noun": ("layers", "events/services.py", "import tokens.models"),
    "the event log knows the operators": ("layers", "events/models.py", "import accounts.models"),
    "the toolkit imports an app": ("layers", "core/clock.py", "import accounts.models"),
    "the toolkit imports the event log": ("core", "core/errors.py", "import events.actor"),
    "a domain imports the wiring": ("layers", "usage/models.py", "import moreh_cloud.urls"),
    "a service imports an interface": ("interfaces", "backends/services/planted.py", "import backends.admin"),
    "a service imports an interface of another app": (
        "interfaces",
        "scheduler/services/planted.py",
        "import tokens.api.views",
    ),
    "an admin page imports an interface of another app": (
        "interfaces",
        "alerts/admin/__init__.py",
        "import backends.admin",
    ),
    "an admin page reads models of another app": ("models", "sda/admin/planted.py", "import tokens.models"),
    "REST reads models of another app": ("models", "backends/api/planted.py", "from scheduler.models import Job"),
    "gRPC reads models of another app": ("models", "scheduler/rpc/planted.py", "import backends.models.nodes"),
    "a command reads models of another app": ("models", "usage/management/planted.py", "import billing.models"),
    "the wiring's REST reads models of an app": ("models", "moreh_cloud/check/api/planted.py", "import sda.models"),
    "an interface reads queries of a higher layer": ("layers", "tokens/api/planted.py", "import scheduler.queries"),
    "an interface calls a service of a higher layer": (
        "layers",
        "alerts/admin/__init__.py",
        "import backends.services.nodes",
    ),
    "models call services": ("modules", "tokens/models.py", "import tokens.services"),
    "queries call services": ("modules", "sda/queries.py", "import sda.services"),
    "services of the scheduler call tasks": ("scheduler", "scheduler/services/planted.py", "import scheduler.tasks"),
    "the cycle calls a service": ("scheduler", "scheduler/cycle/apply.py", "import scheduler.services.jobs"),
    "estimates change jobs": ("scheduler", "scheduler/estimates/dry_run.py", "import scheduler.services.jobs"),
    "the policy reads rows": ("scheduler", "scheduler/policy/plan.py", "import scheduler.models"),
    "the replay reads rows": ("scheduler", "scheduler/replay/engine.py", "import scheduler.queries"),
    "a module of the scheduler has no layer": ("scheduler", "scheduler/planted.py", "import scheduler.models"),
    "the policy uses Django": ("pure", "scheduler/policy/plan.py", "from django.db import models"),
    "the policy reads the clock": ("pure", "scheduler/policy/plan.py", "import time"),
    "the policy throws dice": ("pure", "scheduler/policy/placement.py", "import random"),
    "metering reads rows": ("pure", "usage/metering.py", "from django.db import connection"),
    "pricing reads rows": ("pure", "billing/pricing.py", "from django.db import connection"),
    "a domain reads a page": ("layers", "usage/queries.py", "import console.queries.home"),
    "a page imports the wiring": ("layers", "console/search.py", "import moreh_cloud.metrics"),
    "pages use the simulated fleet": ("layers", "accounts/queries.py", "import fleet.choices"),
    "middleware uses what serves requests": (
        "wiring",
        "moreh_cloud/middleware/request_limiter.py",
        "import moreh_cloud.web",
    ),
    "usage knows what it costs": ("layers", "usage/queries.py", "import billing.models"),
    "a power driver uses Django": ("power", "backends/power/driver.py", "import django.conf"),
    "a power driver reads rows": ("power", "backends/power/driver.py", "import backends.models"),
    "pyghmi outside its file": ("pyghmi", "backends/power/driver.py", "import pyghmi.exceptions"),
    "the protocol imports Django": ("protocol", "protocol/v1/planted.py", "import django"),
    "a client imports the server": ("clients", "clients/planted.py", "import core.errors"),
    "a client imports Django": ("clients", "clients/planted.py", "import django"),
    "the server imports a client": ("clients-inward", "core/clock.py", "import clients.planted"),
    "settings are imported": ("settings", "scheduler/cycle/tick.py", "from moreh_cloud.settings import scheduler"),
}
# Imported above, but perhaps not written yet.
INTERFACES = (
    "backends/admin.py",
    "tokens/api/__init__.py",
    "tokens/api/views.py",
    "clients/__init__.py",
    "clients/planted.py",
)


Linter = Callable[..., tuple[bool, str]]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which every module of the table exists."""
    folder = tmp_path_factory.mktemp("code")
    for name in ROOTS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for interface in INTERFACES:
        (folder / interface).parent.mkdir(parents=True, exist_ok=True)
        (folder / interface).touch()
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


@pytest.fixture(scope="module")
def lint(copy: Path) -> Iterator[Linter]:
    """Check these contracts of the copy, or all of them; tell whether they are kept, and the report."""
    command = [sys.executable, str(Path(__file__).with_name("linter.py"))]
    with subprocess.Popen(command, cwd=copy, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as linter:

        def ask(*contracts: str) -> tuple[bool, str]:
            assert linter.stdin is not None
            assert linter.stdout is not None
            linter.stdin.write(f"{' '.join(contracts)}\n")
            linter.stdin.flush()
            kept, report = json.loads(linter.stdout.readline())
            return kept, report

        yield ask


@pytest.mark.parametrize("case", BROKEN)
def test_a_planted_import_breaks_its_contract(case: str, copy: Path, lint: Linter) -> None:
    contract, name, line = BROKEN[case]
    file = copy / name
    before = file.read_text() if file.exists() else None
    try:
        file.write_text(f"{before or ''}\n{line}\n")
        kept, report = lint(contract)
    finally:
        file.unlink() if before is None else file.write_text(before)
    assert not kept, report
    assert "Contracts: 0 kept, 1 broken." in report


def test_the_code_as_it_is_keeps_every_contract(lint: Linter) -> None:
    kept, report = lint()
    assert kept, report
