"""What the kernel knows of processes and of the host."""

import os
from collections.abc import Callable
from pathlib import Path

MARK = "MOREH_AGENT"
WORKER = "MOREH_WORKER_ID"
PROC = Path("/proc")

Question = Callable[[], bool]


def marked(mark: str) -> dict[int, int]:
    """Find the living processes whose environment carries an agent's mark: pid → worker id."""
    found = {}
    for pid in [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()]:
        given = environment(pid)
        if given.get(MARK) == mark:
            found[pid] = int(given.get(WORKER, 0))
    return found


def environment(pid: int) -> dict[str, str]:
    """Read the variables that a process was started with; none of one that is gone, or somebody else's."""
    try:
        lines = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def age(pid: int) -> int:
    """Give how long ago a process was started, in ticks of the kernel, on a scale that fits only comparison."""
    try:
        return -int((PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[19])
    except OSError:
        return 0


def leads_a_session(pid: int) -> bool:
    """Tell whether a living process is the first of its session."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


class Host:
    """CPU and memory of this host."""

    def __init__(self) -> None:
        self._busy, self._total = _ticks()

    def cpu_percent(self) -> float:
        """Measure the share of busy CPU time since the last call, 0..100 %."""
        busy, total = _ticks()
        passed = total - self._total
        share = 100.0 * (busy - self._busy) / passed if passed > 0 else 0.0
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
