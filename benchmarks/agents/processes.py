"""The processes of this benchmark: what they have seen and what they cost."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Thread

from benchmarks.servers import ROOT

NUMBERS = ("connected", "reports", "later", "refused", "unheard")


class Process:
    """A running process by its number."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Return its user and system time, seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        """Return its resident memory, MB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", (self._folder / "status").read_text())
        return int(found[1]) / 1024 if found else 0.0


@dataclass
class Seen:
    """What agents have seen: how many are connected now, and since they began how many reports and what errors."""

    connected: int
    reports: int
    later: int
    refused: int
    unheard: int
    failed: "Counter[str]"


class Crowd:
    """All simulated agents, in as many processes as there are cores."""

    def __init__(self, address: str, agents: int) -> None:
        cores = os.cpu_count() or 1
        bounds = [agents * core // cores for core in range(cores + 1)]
        self._lines = ["{}"] * cores
        self._processes = [self._start(address, first, last) for first, last in pairwise(bounds)]
        self._readers = [Thread(target=self._read, args=(n,), daemon=True) for n in range(cores)]
        for reader in self._readers:
            reader.start()

    def seen(self) -> Seen:
        """Add up what the processes said last."""
        found = [json.loads(line) for line in self._lines]
        sums = {name: sum(one.get(name, 0) for one in found) for name in NUMBERS}
        return Seen(**sums, failed=sum((Counter(one.get("failed", {})) for one in found), Counter()))

    def stop(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, address: str, first: int, last: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.agents.nodes", address, str(first), str(last)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def _read(self, number: int) -> None:
        out = self._processes[number].stdout
        assert out is not None
        for line in out:
            self._lines[number] = line
