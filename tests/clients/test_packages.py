"""The clients and the protocol as packages of their own, in an environment without the server and without Django."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
SERVER = ("django", "rest_framework", "celery", "redis", "moreh_cloud", "backends", "scheduler", "grpc_tools")
RUN = f"""
import sys
sys.modules |= dict.fromkeys({SERVER})
from importlib.metadata import distribution, entry_points
name, *sys.argv[1:] = sys.argv[1:]
next(iter(entry_points(group="console_scripts", name=name))).load()()
"""
GREETINGS = {
    ("moreh-agent", "--version"): (0, "0.1.0"),
    ("moreh-run", "--version"): (0, "0.1.0"),
    ("moreh-smi", "--version"): (0, "Current Version: 0.1.0"),
    ("moreh-switch-model",): (1, "SDA token is not given."),
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has our two wheels, and ready-made the packages that pip would fetch for them."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False)
    [site] = (folder / "env/lib").glob("python3*/site-packages")
    for name in ("protocol", "clients"):
        copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__", "build", "*.egg-info"))
        command = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder)]
        subprocess.run(command, cwd=folder / name, check=True, capture_output=True)
    wheels = sorted(folder.glob("*.whl"))
    assert [wheel.name for wheel in wheels] == [
        "moreh_clients-0.1.0-py3-none-any.whl",
        "moreh_protocol-0.1.0-py3-none-any.whl",
    ]
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(site)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env/bin/python"


@pytest.mark.parametrize("command", GREETINGS, ids=" ".join)
def test_the_tools_run_without_the_server(python: Path, command: tuple[str, ...]) -> None:
    code, greeting = GREETINGS[command]
    line = [str(python), "-c", RUN, *command]
    done = subprocess.run(line, cwd=python.parent, env={}, check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, (done.stdout + done.stderr).splitlines()[0]) == (code, greeting)


def test_the_packages_are_whole(python: Path) -> None:
    [site] = python.parents[1].glob("lib/python3*/site-packages")
    for name in ("protocol", "clients"):
        ours = {file.relative_to(ROOT) for file in (ROOT / name).rglob("*.py") if "build" not in file.parts}
        assert {file for file in ours if not (site / file).exists()} == set()
    assert {file.name for file in (site / "protocol/v1").glob("*.proto")} == {
        "accelerators.proto",
        "agents.proto",
        "jobs.proto",
    }
