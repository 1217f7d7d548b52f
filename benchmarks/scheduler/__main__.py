"""The scheduler beside Slurm and beside the limit: `python -m benchmarks.scheduler [--nodes 100 1000 10000]`.

For each size, in the same run and one after the other: the floor, our whole tick (the medians of three) and Slurm's
controller on the same nodes and jobs of one device; a tick with 10,000 jobs waiting; then the time from a request to
its devices.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

JOBS = {100: 800, 1_000: 8_000, 10_000: 10_000}
SLURM_JOBS = {100: 800, 1_000: 8_000, 10_000: 1_000}  # it starts some forty a second of these
WAITING = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1_000, 10_000], choices=JOBS)
    parser.add_argument("--elsewhere", type=int, default=100_000, help="jobs that wait in another group (latency)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    for nodes in options.nodes:
        throughput(nodes)
        full_queue(nodes)
    latency(max(options.nodes), options.elsewhere)


def throughput(nodes: int) -> None:
    """Print allocations per second of the floor, of a whole tick, and of Slurm."""
    floor = run("floor", nodes, JOBS[nodes])
    tick = sorted((run("tick", nodes, JOBS[nodes], 0) for _ in range(3)), key=seconds)[1]
    ours = tick["made"] / seconds(tick)
    slurm = run("slurm", nodes, SLURM_JOBS[nodes])
    print(f"\n{nodes:,} nodes, {JOBS[nodes]:,} jobs of one device")
    print(f"  floor            {floor['floor_per_s']:>10,.0f}/s")
    print(f"  as a bare list    {floor['list_per_s']:>10,.0f}/s")
    print(
        f"  whole tick       {ours:>10,.0f}/s   {ours / floor['floor_per_s']:.2f} of the floor,"
        f" {ours / floor['list_per_s']:.2f} of the list; {1e6 / ours:.0f} us each"
    )
    for part in ("load", "plan", "apply"):
        print(f"    {part:<14} {tick[f'{part}_s'] * 1000:>10,.1f} ms")
    if "slurm_missing" in slurm:
        print(f"  Slurm            not installed: {slurm['slurm_missing']}")
    else:
        print(f"  Slurm            {slurm['slurm_per_s']:>10,.0f}/s   we are {ours / slurm['slurm_per_s']:.0f}x")
        print(f"    one at a time  {slurm['slurm_latency_ms']:>10,.1f} ms")
    print(
        f"  memory {tick['memory_mb']} MB; nothing to do: {tick['idle_queries']} query, {tick['idle_s'] * 1000:.1f} ms"
    )


def full_queue(nodes: int) -> None:
    """Print the time of a tick of a full cluster in which 100 of 10,000 jobs find room."""
    tick = run("tick", nodes, 100, WAITING - 100)
    print(
        f"  tick with {WAITING:,} waiting, 100 of them start: {seconds(tick) * 1000:,.0f} ms;"
        f" memory {tick['memory_mb']} MB"
    )


def seconds(tick: dict[str, Any]) -> float:
    """Return how long a whole tick took."""
    return float(tick["load_s"] + tick["plan_s"] + tick["apply_s"])


def latency(nodes: int, elsewhere: int) -> None:
    """Print the milliseconds from a request to its devices."""
    seen = run("latency", nodes, elsewhere)
    figures = ", ".join(f"{name[:-3]} {value:.1f} ms" for name, value in seen.items())
    print(f"\nrequest to allocated, {nodes:,} nodes of free devices, {elsewhere:,} jobs waiting elsewhere: {figures}")


def run(part: str, *numbers: int) -> dict[str, Any]:
    """Measure one part in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.scheduler.{part}", *map(str, numbers)]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
