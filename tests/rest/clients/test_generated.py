"""Clients generated from openapi.yaml compile, and work against a live server."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from accounts.choices import Role
from tests import make

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what is made from the schema is the same whatever answers
]
HERE = Path(__file__).parent
COMMITTED = HERE.parents[2] / "openapi.yaml"


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def login(live_server: "LiveServer") -> tuple[str, str, str]:
    make.operator(Role.GENERAL, username="kim")
    return live_server.url, "kim", "correct horse"


def test_the_python_client(tmp_path: Path, login: tuple[str, str, str]) -> None:
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    generator = Path(sys.executable).parent / "openapi-python-client"
    options = ("--path", COMMITTED, "--output-path", tmp_path / "moreh_rest", "--meta", "none")
    told = run(generator, "generate", *options, "--config", "config.yaml", folder=tmp_path)
    assert "Warning" not in told
    shutil.copy(HERE / "use.py", tmp_path)
    run(sys.executable, "-m", "compileall", "-q", "moreh_rest", folder=tmp_path)
    assert run(sys.executable, "-W", "error", "use.py", *login, folder=tmp_path) == "done"


def test_the_typescript_client(tmp_path: Path, login: tuple[str, str, str]) -> None:
    folder = shutil.copytree(HERE / "typescript", tmp_path / "typescript")
    shutil.copy(COMMITTED, folder)
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder)
    run("npm", "run", "generate", folder=folder)
    run("npm", "run", "check", folder=folder)
    assert run("node", "use.js", *login, folder=folder) == "done"


def test_no_committed_file_says_where_packages_come_from() -> None:
    lock = (HERE / "typescript" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 20
