"""Slurm's controller on the same nodes and jobs: `python -m benchmarks.scheduler.slurm NODES JOBS [SAMPLES]`.

slurmctld of Debian's packages (slurmctld, slurmd, slurm-client, munge) in the set-up that suits it best: one core per
GPU, no backfill thread, nothing but the allocation counts. The nodes exist only in its books: one slurmd answers for
all until they are idle. SAMPLES jobs are asked for one at a time, on as many nodes more as they need, and keep them.
Then JOBS of one GPU are queued while the partition is down; the time runs from its opening until the last has started.
Prints one line of JSON.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.services import free_port

NEEDED = ("slurmctld", "slurmd", "munged", "scontrol", "sbatch", "salloc", "sdiag", "sinfo")
TIMEOUT = 240.0  # seconds
GPUS = 8  # of a node
CONFIG = """
ClusterName=bench
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
MessageTimeout=100
SlurmctldParameters=idle_on_node_suspend
MinJobAge=10
ReturnToService=2
SlurmdTimeout=0
InactiveLimit=0
MaxJobCount=400000
MaxArraySize=200001
TreeWidth=65533
SchedulerType=sched/builtin
SchedulerParameters=default_queue_depth=100000,max_sched_time=45,sched_min_interval=0,sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PriorityType=priority/basic
GresTypes=gpu
NodeName=n[0-{nodes}] CPUs=8 Sockets=1 CoresPerSocket=8 RealMemory=500000 Gres=gpu:8 NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Name the programs of Slurm that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def measure(nodes: int, jobs: int, samples: int) -> dict[str, Any]:
    """Ask one at a time; then queue and open. What is missing is said instead."""
    if gone := missing():
        return {"slurm_missing": ", ".join(gone)}
    with _controller(nodes + -(-samples // GPUS)):
        latency = _one_at_a_time(samples)
        _run("scontrol", "update", "partitionname=main", "state=down")
        _run("sbatch", "-Q", f"--array=1-{jobs}", "--gres=gpu:1", "-o", "/dev/null", "--wrap", "true")
        _run("sdiag", "-r")
        begun = time.perf_counter()
        _run("scontrol", "update", "partitionname=main", "state=up")
        started = _wait_for(jobs)
        rate = started / (time.perf_counter() - begun)
        return {"slurm_per_s": rate, "slurm_started": started, **latency}


def _wait_for(jobs: int) -> int:
    until = time.monotonic() + TIMEOUT
    while (started := _started()) < jobs and time.monotonic() < until:
        time.sleep(0.05)
    return started


def _started() -> int:
    found = re.search(r"Jobs started:\s*(\d+)", _run("sdiag"))
    return int(found[1]) if found else 0


def _one_at_a_time(samples: int) -> dict[str, float]:
    """Time salloc of a job that starts at once, less what the program takes when it asks for nothing."""
    bare = _mean(samples, "salloc", "--version")
    asked = _mean(samples, "salloc", "-Q", "--no-shell", "--gres=gpu:1")
    return {"slurm_latency_ms": (asked - bare) * 1000}


def _mean(count: int, *command: str) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        _run(*command)
    return (time.perf_counter() - begun) / max(count, 1)


@contextmanager
def _controller(nodes: int) -> Iterator[None]:
    folder = Path(mkdtemp(prefix="moreh-slurm-"))
    folder.chmod(0o755)
    (folder / "gres.conf").write_text("Name=gpu Count=8\n")
    (folder / "slurm.conf").write_text(
        CONFIG.format(folder=folder, port=free_port(), node_port=free_port(), nodes=nodes)
    )
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    munge = [f"--{name}={folder / file}" for name, file in MUNGE.items()]
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_start("munged", "--foreground", "--force", *munge))
        running.append(_start("slurmctld", "-D", "-c"))
        _register(nodes)
        yield
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


MUNGE = {
    "key-file": "munge.key",
    "socket": "munge.sock",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munged.seed",
}


def _register(nodes: int) -> None:
    """Let the slurmd of one node more answer for all until they are idle, then give them their GPUs."""
    until = time.monotonic() + TIMEOUT
    while "UP" not in _run("scontrol", "ping"):
        assert time.monotonic() < until
        time.sleep(0.3)
    with _start("slurmd", "-D", "-N", "n0") as node:
        while f"{nodes} idle" not in _run("sinfo", "-h", "-o", "%D %t"):
            assert time.monotonic() < until
            time.sleep(0.5)
        node.terminate()
    _run("scontrol", "update", f"nodename=n[1-{nodes}]", "gres=gpu:8")


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT).stdout


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, (*sys.argv[1:3], *(sys.argv[3:4] or ["30"]))))), flush=True)
