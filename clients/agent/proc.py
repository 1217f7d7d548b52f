"""What the kernel knows of processes and of the host."""

from collections.abc import Callable
from pathlib import Path

MARK = "MOREH_AGENT"
WORKER = "MOREH_WORKER_ID"
PROC = Path("/proc")

Question = Callable[[], bool]


def marked(mark: str) -> dict[int, int]:
    """Find the living processes whose environment carries an agent's mark: pid → worker id."""
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (worker := _worker_of(folder, mark)) is not None:
            found[int(folder.name)] = worker
    return found


def _worker_of(folder: Path, mark: str) -> int | None:
    try:
        variables = dict(line.split(b"=", 1) for line in (folder / "environ").read_bytes().split(b"\0") if b"=" in line)
    except OSError:  # gone, or somebody else's
        return None
    if variables.get(MARK.encode()) != mark.encode():
        return None
    return int(variables.get(WORKER.encode(), b"0"))


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
