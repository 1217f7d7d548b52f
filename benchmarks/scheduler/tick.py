"""The whole tick on PostgreSQL: `python -m benchmarks.scheduler.tick NODES STARTING WAITING`.

STARTING jobs of one device find room; WAITING more do not, and are told why. The process has ticked before, as one that
schedules has. Prints one line of JSON: seconds of load, plan and apply, allocations made, queries of a tick with
nothing to do, resident MB of this process.
"""

import json
import resource
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from benchmarks.scheduler.installation import DEVICES, add_jobs, add_nodes, installation

T = TypeVar("T")


def measure(nodes: int, starting: int, waiting: int) -> dict[str, Any]:
    """Fill an installation, tick it once by its parts, then once more with nothing to do."""
    from scheduler.cycle.apply import apply
    from scheduler.cycle.lease import acquire
    from scheduler.cycle.load import load
    from scheduler.models import Allocation
    from scheduler.policy.plan import plan

    _warm()
    add_nodes(nodes)
    _occupy(nodes * DEVICES - starting if waiting else 0)
    add_jobs(starting + waiting)
    lease = acquire(0)
    assert lease
    load_s, snapshot = timed(lambda: load(0))
    plan_s, decisions = timed(lambda: plan(snapshot))
    apply_s, _none = timed(lambda: apply(lease, snapshot, decisions))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    made = Allocation.objects.filter(job__group=0).count()
    assert made == starting
    return {"load_s": load_s, "plan_s": plan_s, "apply_s": apply_s, "made": made, "memory_mb": memory, **_idle()}


def _warm() -> None:
    """Tick once in another group, with a large batch, which takes a second connection."""
    from backends.models import BackendGroup
    from scheduler.cycle.tick import tick

    other = BackendGroup.objects.create(name="before", index=1)
    add_nodes(60, other.pk)
    add_jobs(480, other.pk)
    tick(other.pk)


def timed(call: Callable[[], T]) -> tuple[float, T]:
    begun = perf_counter()
    result = call()
    return perf_counter() - begun, result


def _occupy(devices: int) -> None:
    """Keep all but the last devices out of scheduling."""
    from backends.choices import DeviceStatus
    from backends.models import Device

    first = Device.objects.filter(backend__group=0).order_by("pk").values_list("pk", flat=True)[:devices]
    Device.objects.filter(pk__in=list(first)).update(status=DeviceStatus.BUSY)


def _idle() -> dict[str, Any]:
    """Time and count the look at queues in which nobody waits."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from scheduler.models import Job
    from scheduler.work import tick_all

    Job.objects.filter(status="WAITING").delete()
    seconds, _none = timed(tick_all)
    with CaptureQueriesContext(connection) as seen:
        tick_all()
    return {"idle_s": seconds, "idle_queries": len(seen)}


if __name__ == "__main__":
    with installation():
        print(json.dumps(measure(*map(int, sys.argv[1:4]))), flush=True)
