"""Faults of every kind, at random, in the simulated fleet under load, without an operator: the laws of repairs.

    python -m tests.remediation.hour --minutes 60 --nodes 64

It starts the whole product with data of its own, on free ports, and ends with 1 if a law is broken. `test_world.py`
does the same for seconds, in one process.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]
UP_WITHIN, SETTLED_WITHIN, LOOK_EVERY = 600.0, 1200.0, 5.0  # seconds


@dataclass
class Run:
    """What happened: node, device, kind and time of each fault, and the lines that say which law was broken.

    `out_since`, `longest_out`: how long devices without a fault were kept out although nothing was done to their nodes.
    """

    faults: list[tuple[str, int, str, datetime]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    out_since: dict[tuple[str, int], float] = field(default_factory=dict)
    longest_out: dict[tuple[str, int], float] = field(default_factory=dict)


def main() -> int:
    """Run it as the command line asks; return the exit code."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=60.0)
    asked.add_argument("--nodes", type=int, default=64)
    asked.add_argument("--faults", type=int, default=300, help="an hour, in the whole fleet")
    asked.add_argument("--jobs", type=int, default=60, help="a minute")
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(Path(folder), options)
        os.environ.update(environment)
        with (Path(folder) / "up.log").open("w") as log:
            up = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=os.environ, stdout=log, stderr=log
            )  # fmt: skip
            try:
                return _watch(options, Path(folder))
            finally:
                up.terminate()
                up.wait(60)


def _environment(folder: Path, options: Any) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "moreh_cloud.settings",
        "MOREH_DATA_DIR": str(folder),
        "MOREH_HTTP_PORT": str(free_port()),
        "MOREH_GRPC_PORT": str(free_port()),
        "MOREH_DEMO_NODES": str(options.nodes),
        "MOREH_DEMO_JOBS": str(options.jobs),
        "MOREH_DEMO_FAULTS": "0",
        "MOREH_DEVICE_SILENT_AFTER": "60",
        "MOREH_FROZEN_AFTER": "120",
        "MOREH_ADMIN_PASSWORD": "an hour of repairs",
    }


def _watch(options: Any, folder: Path) -> int:
    import django

    _wait((folder / "fleet.json").exists, UP_WITHIN)
    django.setup()
    from tests.remediation import hour_laws as laws

    _wait(lambda: laws.nodes_up() == options.nodes, UP_WITHIN)
    laws.allow_everything()
    run, chance = Run(), random.Random(options.seed)  # noqa: S311 - a simulation
    print(f"{options.nodes} nodes are up; faults for {options.minutes:g} minutes", flush=True)
    until, waits = time.monotonic() + options.minutes * 60, 3600 / options.faults
    next_fault = time.monotonic()
    while time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        laws.look(run)
        while next_fault < time.monotonic():
            laws.strike(run, folder, chance)
            next_fault += chance.expovariate(1 / waits)
    laws.check_all_devices()
    settled = _wait(lambda: laws.is_settled(run), SETTLED_WITHIN, must=False)
    laws.judge(run, folder, settled=settled)
    for name in ("reconcile", "prove"):
        if subprocess.run([sys.executable, "manage.py", name], cwd=ROOT, check=False).returncode:
            run.broken.append(f"{name} is not clean")
    print("faults:", dict(sorted(Counter(kind for _node, _device, kind, _at in run.faults).items())))
    print("\n".join(run.broken) or "every law holds")
    return bool(run.broken)


def _wait(is_so: Any, seconds: float, *, must: bool = True) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            if must:
                raise TimeoutError
            return False
        time.sleep(LOOK_EVERY)
    return True


if __name__ == "__main__":
    sys.exit(main())
