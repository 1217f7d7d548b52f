"""The committed stubs are what the .proto files give."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generating_the_stubs_anew_changes_nothing(tmp_path: Path) -> None:
    for name in ("protocol", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Makefile", "requirements-up.txt", "requirements-dev.txt"):
        shutil.copy2(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    command = ["make", "--no-print-directory", "-o", ".venv/.dev", "protocol"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_text() for file in (tmp_path / "protocol/v1").glob("*_pb2*.py*")}
    committed = {file.name: file.read_text() for file in (ROOT / "protocol/v1").glob("*_pb2*.py*")}
    assert made == committed != {}
