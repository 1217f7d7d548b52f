"""How long `manage.py up` takes until all is green, and how much memory everything then has.

    .venv/bin/python -m benchmarks.up [--runs 3] [--nodes 16]

Each run starts on an empty data folder and ports of its own. Prints one line per figure; exit code 1 over a limit.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"ready_seconds": (15.0, 8.0), "resident_mb": (900.0, 600.0)}  # limit, aim
SETTLING = 10.0  # seconds of work before memory is read: drivers and connections are there by then
TIMEOUT = 120.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=16)
    options = parser.parse_args()
    runs = [_measure(options.nodes) for _run in range(options.runs)]
    over = False
    for name in runs[0]:
        middle = statistics.median(run[name] for run in runs)
        limit, aim = LIMITS.get(name, (None, None))
        over |= limit is not None and middle > limit
        print(f"{name:<22} {middle:8.1f}" + (f"   limit {limit:.0f}, aim {aim:.0f}" if limit else ""))
    return int(over)


def _measure(nodes: int) -> dict[str, float]:
    with TemporaryDirectory(prefix="moreh-up-") as folder:
        env = {**os.environ, "MOREH_DATA_DIR": f"{folder}/data", "MOREH_DEMO_NODES": str(nodes)}
        env |= {name: str(_free_port()) for name in ("MOREH_HTTP_PORT", "MOREH_GRPC_PORT")}
        begun = time.monotonic()
        command = [sys.executable, "manage.py", "up"]
        up = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        try:
            ready = _await_ready(up, begun)
            cpu = sum(_cpu_seconds(pid) for pid in _family(up.pid))
            time.sleep(SETTLING)
            family = _family(up.pid)
            resident, shared_out = (sum(_memory(pid, what) for pid in family) for what in ("Rss", "Pss"))
        finally:
            stopping = time.monotonic()
            up.send_signal(signal.SIGTERM)
            up.communicate()
        stopped = time.monotonic() - stopping
    return {
        "ready_seconds": ready,
        "cpu_seconds": cpu,
        "resident_mb": resident,
        "proportional_mb": shared_out,
        "stop_seconds": stopped,
    }


def _await_ready(up: "subprocess.Popen[str]", begun: float) -> float:
    assert up.stdout is not None
    lines = []
    for line in up.stdout:
        lines.append(line)
        if re.search("is ready after", line):
            return time.monotonic() - begun
        if time.monotonic() - begun > TIMEOUT:
            break
    sys.exit("Not ready:\n" + "".join(lines[-30:]))


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [pid, *(member for child in children for member in _family(child))]


def _cpu_seconds(pid: int) -> float:
    """Return user and system time, those of ended children included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int, what: str) -> float:
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
