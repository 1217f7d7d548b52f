"""How many jobs per second the pure plan places: `python -m benchmarks.scheduler.plan`.

Each figure is the best of several plans that fill an empty group of 8-device nodes to the last device, snapshot
excluded, index of free devices included. The last column is the cost per job beside that of the smallest group.
"""

from itertools import accumulate, cycle, takewhile
from time import perf_counter

from scheduler.policy.decisions import PendingReason, Placed, Waits
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Node, QueuedRequest, Snapshot

NODES = (100, 1_000, 10_000)
MIXED = (1, 1, 2, 1, 8, 4, 1, 3, 16, 1, 2, 40)
LOADS = {"1 device": (1,), "2 devices": (2,), "8 devices": (8,), "16 devices": (16,), "mixed, 1 to 40": MIXED}
WAITING = 100_000


def group(nodes: int, demands: tuple[int, ...]) -> Snapshot:
    """Build a group and the jobs that fill it."""
    capacity = 8 * nodes
    count = sum(1 for _ in takewhile(lambda total: total <= capacity, accumulate(cycle(demands))))
    queue = tuple(QueuedRequest(i, i % 500, i, demands[i % len(demands)], i % 3, i) for i in range(count))
    return Snapshot(0, True, tuple(Node(i, 0xFF, 8) for i in range(nodes)), queue, capacity, 8, {})


def best_seconds(snapshot: Snapshot, rounds: int) -> float:
    """Time the plan of one snapshot; the fastest round counts, since others share the machine."""
    times = []
    for _ in range(rounds):
        begun = perf_counter()
        plan(snapshot)
        times.append(perf_counter() - begun)
    return min(times)


def placing() -> None:
    print(f"{'jobs of':<16}{'nodes':>8}{'jobs':>9}{'placed/s':>12}{'cost':>8}")
    for load, demands in LOADS.items():
        smallest = 0.0
        for nodes in NODES:
            snapshot = group(nodes, demands)
            assert all(isinstance(decision, Placed) for decision in plan(snapshot))
            seconds = best_seconds(snapshot, rounds=50_000 // nodes + 1) / len(snapshot.queue)
            smallest = smallest or seconds
            print(f"{load:<16}{nodes:>8,}{len(snapshot.queue):>9,}{1 / seconds:>12,.0f}{seconds / smallest:>7.2f}x")


def waiting() -> None:
    """Time the reasons of a long queue of which nobody can start."""
    queue = tuple(QueuedRequest(i, i % 500, i, 2, i % 3, i) for i in range(WAITING))
    snapshot = Snapshot(0, True, tuple(Node(i, 0, 8) for i in range(10_000)), queue, 80_000, 8, {})
    last = plan(snapshot)[-1]
    assert isinstance(last, Waits)
    assert last.reason is PendingReason.BLOCKED_BY_HEAD
    print(f"\n{WAITING:,} jobs told why they wait, on 10,000 full nodes: {best_seconds(snapshot, 3) * 1000:,.0f} ms")


if __name__ == "__main__":
    placing()
    waiting()
