"""Processes and the host, as the kernel reports them."""

import contextlib
import os
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

MARK = "MOREH_AGENT"
WORKER = "MOREH_WORKER_ID"
PROC = Path("/proc")
LIKE_AN_ID = re.compile(r"[0-9]{1,19}")

Question = Callable[[], bool]


def marked(mark: str) -> dict[int, int]:
    """Return the live processes whose environment has an agent's mark: pid → worker id, 0 where none is named."""
    return {pid: number_in(given, WORKER) for pid, given in with_variable(MARK, mark).items()}


def number_in(given: Mapping[str, str], name: str) -> int:
    """Return a number in a process's environment; 0 for anything else, for a worker may set it as it likes."""
    value = given.get(name, "")
    return int(value) if LIKE_AN_ID.fullmatch(value) else 0


def with_variable(name: str, value: str) -> dict[int, dict[str, str]]:
    """Return the environment of each living process that was started with this variable, by pid."""
    pids = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()]
    return {pid: given for pid in pids if (given := environment(pid)).get(name) == value}


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, unless it has gone meanwhile."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def environment(pid: int) -> dict[str, str]:
    """Read the variables that a process was started with; none of one that is gone, or somebody else's."""
    try:
        lines = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def age(pid: int) -> int:
    """Return how long ago a process was started, in ticks of the kernel, on a scale that fits only comparison."""
    try:
        return -int((PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[19])
    except OSError:
        return 0


def leads_a_session(pid: int) -> bool:
    """Whether a living process is the first of its session."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


class Host:
    """CPU and memory of this host."""

    def __init__(self) -> None:
        self._busy, self._total = _ticks()

    def cpu_percent(self) -> float | None:
        """Measure the share of busy CPU time since the last call, 0..100 %; None when no time has passed."""
        busy, total = _ticks()
        passed = total - self._total
        if passed <= 0:
            return None
        share = 100.0 * (busy - self._busy) / passed
        self._busy, self._total = busy, total
        return min(100.0, max(0.0, share))

    def memory_mib(self) -> tuple[int, int]:
        """Return used and total memory, MiB."""
        fields = {}
        for line in (PROC / "meminfo").read_text().splitlines():
            name, value = line.split(":", 1)
            fields[name] = int(value.split()[0]) // 1024
        return fields["MemTotal"] - fields.get("MemAvailable", fields["MemFree"]), fields["MemTotal"]


def _ticks() -> tuple[int, int]:
    values = [int(value) for value in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = values[3] + values[4]
    return sum(values) - idle, sum(values)
