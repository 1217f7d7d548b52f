"""A database that version 0.1.0 made migrates and works: what it stored and what it had given out stays valid."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECORDED = Path(__file__).parent / "0.1.0.json"


@pytest.mark.slow
@pytest.mark.usefixtures("db")  # so that it runs on both databases
def test_what_version_0_1_0_has_stored_migrates_and_works(empty_site_env: dict[str, str]) -> None:
    (Path(empty_site_env["MOREH_DATA_DIR"]) / "static").mkdir(parents=True)
    replayed = subprocess.run(
        [sys.executable, "-m", "tests.upgrade.replay"],
        input=RECORDED.read_text(),
        env=empty_site_env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout) == {
        "lost content types": [],
        "lost permissions": [],
        "lost tokens": [],
        "unknown tasks": [],
        "page": [302, "/admin/"],
        "links": ["RESET", "VERIFY"],
        "repaired": [],
        "jobs": ["COMPLETED", "WAITING"],
        "devices": ["CLEANING", "CLEANING", "IDLE", "IDLE"],
        "old access": 200,
        "locked out": [429, 200],
        "unlocked": 200,
        "attempts": 0,
        "beat asks for the tick": True,
    }
