"""Drivers stay light and apart: no Django in them, no pyghmi outside them."""

import subprocess
import sys

import pytest

LOADED = {
    "the parent's side": ("backends.power.pool, backends.power.patience, backends.power.logins", {"pyghmi", "django"}),
    "the driver process": ("backends.power.driver_process", {"django", "celery", "grpc"}),
    "the simulator": ("backends.power.simulator", {"pyghmi", "django", "celery", "grpc"}),
}


@pytest.mark.parametrize("side", LOADED)
def test_what_is_not_loaded(side: str) -> None:
    modules, unwanted = LOADED[side]
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert set(said.stdout.split()) & unwanted == set()
