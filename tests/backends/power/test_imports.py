"""What driver processes and the server import: no Django in a driver, no pyghmi or h11 outside of it."""

import subprocess
import sys

import pytest

LOADED = {
    "the parent's side": (
        "backends.power.pool, backends.power.operation, backends.power.logins",
        {"pyghmi", "h11", "django"},
    ),
    "the driver process": ("backends.power.driver_process", {"django", "celery", "grpc"}),
    "the simulator": ("backends.power.simulator", {"pyghmi", "h11", "django", "celery", "grpc"}),
    "the Redfish simulator": ("backends.power.redfish_simulator", {"pyghmi", "django", "celery", "grpc"}),
}


@pytest.mark.parametrize("side", LOADED)
def test_no_unwanted_module_is_loaded(side: str) -> None:
    modules, unwanted = LOADED[side]
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert set(run.stdout.split()) & unwanted == set()
