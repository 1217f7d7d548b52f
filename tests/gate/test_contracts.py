"""Every import contract fails when it is broken: each is tried on a copy of the code with one planted import."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("moreh_cloud", "backends", "sda", "tokens", "scheduler", "usage", "billing", "protocol", "clients")

# sentence: (contract, file that gets a line or is made, the line)
BROKEN = {
    "machines import the scheduler": ("floors", "backends/queries.py", "import scheduler.models"),
    "siblings see each other": ("floors", "tokens/services.py", "import backends.models"),
    "the event log knows a noun": ("floors", "moreh_cloud/events/services.py", "import tokens.models"),
    "the event log knows the operators": (
        "floors",
        "moreh_cloud/events/models.py",
        "import moreh_cloud.accounts.models",
    ),
    "the library imports an app": ("floors", "moreh_cloud/lib/clock.py", "import moreh_cloud.accounts.models"),
    "the library imports the event log": ("library", "moreh_cloud/lib/errors.py", "import moreh_cloud.events.actor"),
    "a floor imports the wiring": ("floors", "usage/models.py", "import moreh_cloud.urls"),
    "a service imports a door": ("doors", "backends/services/planted.py", "import backends.admin"),
    "a service imports another app's door": ("doors", "scheduler/services/planted.py", "import tokens.api.views"),
    "models call services": ("rooms", "tokens/models.py", "import tokens.services"),
    "services call tasks": ("rooms", "scheduler/services/planted.py", "import scheduler.tasks"),
    "queries call services": ("rooms", "sda/queries.py", "import sda.services"),
    "the policy uses Django": ("pure", "scheduler/policy/plan.py", "from django.db import models"),
    "the policy reads the clock": ("pure", "scheduler/policy/plan.py", "import time"),
    "the policy throws dice": ("pure", "scheduler/policy/placement.py", "import random"),
    "metering reads rows": ("pure", "usage/metering.py", "from django.db import connection"),
    "pricing reads rows": ("pure", "billing/pricing.py", "from django.db import connection"),
    "usage knows what it costs": ("floors", "usage/queries.py", "import billing.models"),
    "a power driver uses Django": ("power", "backends/power/driver.py", "import django.conf"),
    "a power driver reads rows": ("power", "backends/power/driver.py", "import backends.models"),
    "pyghmi outside its file": ("pyghmi", "backends/power/driver.py", "import pyghmi.exceptions"),
    "the protocol imports Django": ("protocol", "protocol/v1/planted.py", "import django"),
    "a client imports the server": ("clients", "clients/planted.py", "import moreh_cloud.lib.errors"),
    "a client imports Django": ("clients", "clients/planted.py", "import django"),
    "the server imports a client": ("clients-inward", "moreh_cloud/lib/clock.py", "import clients.planted"),
    "settings are imported": ("settings", "scheduler/tick.py", "from moreh_cloud.settings import scheduler"),
}
# Imported above, but perhaps not written yet.
DOORS = (
    "backends/admin.py",
    "tokens/api/__init__.py",
    "tokens/api/views.py",
    "clients/__init__.py",
    "clients/planted.py",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which every module of the table exists."""
    folder = tmp_path_factory.mktemp("house")
    for name in ROOTS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for door in DOORS:
        (folder / door).parent.mkdir(parents=True, exist_ok=True)
        (folder / door).touch()
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def lint(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([str(tool), "--no-logo", *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", BROKEN)
def test_a_planted_import_breaks_its_contract(case: str, copy: Path) -> None:
    contract, name, line = BROKEN[case]
    file = copy / name
    before = file.read_text() if file.exists() else None
    try:
        file.write_text(f"{before or ''}\n{line}\n")
        done = lint(copy, "--contract", contract)
    finally:
        file.unlink() if before is None else file.write_text(before)
    assert done.returncode == 1, done.stdout
    assert "Contracts: 0 kept, 1 broken." in done.stdout


def test_the_code_as_it_is_keeps_every_contract(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
