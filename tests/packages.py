"""Debian packages that the tests need: installed when root, else named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from tests.services import postgres_bin

NEEDED: dict[str, Callable[[], object]] = {
    "postgresql": postgres_bin,
    "redis-server": lambda: shutil.which("redis-server"),
    "ipmitool": lambda: shutil.which("ipmitool"),
    "openipmi": lambda: shutil.which("ipmi_sim"),
    "freeipmi-tools": lambda: shutil.which("ipmipower", path="/usr/bin:/usr/sbin:/usr/local/bin"),
    "chromium": lambda: shutil.which("chromium"),
    "nodejs": lambda: shutil.which("node"),
    "npm": lambda: shutil.which("npm"),
    "curl": lambda: shutil.which("curl"),
    "prometheus": lambda: shutil.which("promtool"),
    "jq": lambda: shutil.which("jq"),
}


def install_missing() -> None:
    """Install what is missing with apt-get; stop with the command to type when that is not possible."""
    missing = _missing()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {', '.join(missing)} …", flush=True)
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", *missing)
        missing = _missing()
    if missing:
        sys.exit(f"The tests need Debian packages that are not installed. As root: apt-get install {' '.join(missing)}")


def _missing() -> list[str]:
    return [name for name, find in NEEDED.items() if not find()]


def _apt(*words: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-q", *words], env=environment, check=False, stdout=subprocess.DEVNULL)
