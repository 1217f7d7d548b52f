"""Where the traces of the tests lie: our own small ones, and a large one, found or made."""

import csv
from pathlib import Path
from random import Random

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "alibaba-gpu-2023"
NODE_SIZES = {8: 617, 4: 54, 2: 518, 1: 24}
NODE_COLUMNS = ["sn", "cpu_milli", "memory_mib", "gpu", "model"]
JOB_COLUMNS = ["name", "num_gpu", "gpu_milli", "qos", "pod_phase", "creation_time", "deletion_time", "scheduled_time"]


def large_trace(folder: Path) -> tuple[Path, Path]:
    """Return the node and job files of the public trace, or else of one in its likeness, made in `folder`."""
    nodes, jobs = SHARED / "openb_node_list_gpu_node.csv", SHARED / "openb_pod_list_default.csv"
    return (nodes, jobs) if nodes.exists() and jobs.exists() else make_large_trace(folder)


def make_large_trace(folder: Path) -> tuple[Path, Path]:
    """Write 1,213 nodes and 8,152 tasks as in the public trace: mostly one device, some shares, some never ran."""
    random = Random(2023)  # noqa: S311
    sizes = [size for size, count in NODE_SIZES.items() for _ in range(count)]
    nodes = [[f"node-{i:04}", 96000, 393216, size, "G2"] for i, size in enumerate(sizes)]
    jobs = [_task(i, random) for i in range(8_152)]
    return _write(folder / "nodes.csv", NODE_COLUMNS, nodes), _write(folder / "jobs.csv", JOB_COLUMNS, jobs)


def _task(number: int, random: Random) -> list[object]:
    created = random.randrange(12_900_000)
    scheduled = created + random.choice([0, 0, 0, 7, 600])
    devices = random.choices([0, 1, 2, 4, 8], [1088, 6989, 16, 15, 44])[0]
    qos = random.choice(["LS", "LS", "BE", "Burstable", "Guaranteed"])
    ran = random.random() > 0.11
    phase = random.choice(["Running", "Failed", "Succeeded"]) if ran else "Pending"
    ended = scheduled + random.randrange(100_000)
    return [f"pod-{number}", devices, random.choice([1000, 470]), qos, phase, created, ended, scheduled if ran else ""]


def _write(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path
