"""Start estimates on PostgreSQL: `python -m benchmarks.scheduler.estimates NODES WAITING POLICY`.

All devices are held by jobs of one device with time limits; WAITING more wait. Prints one line of JSON: seconds of
making the estimates and of reading them, of a what-if answer that drains ten nodes, of a dry run; how
many starts are known; queries of each.
"""

import json
import sys
from datetime import timedelta
from typing import Any

from benchmarks.scheduler.installation import DEVICES, add_jobs, add_nodes, installation
from benchmarks.scheduler.tick import timed

HOUR = timedelta(hours=1)


def measure(nodes: int, waiting: int, policy: str) -> dict[str, Any]:
    """Fill an installation, let its jobs start, and look ahead."""
    from backends.models import Backend, BackendGroup
    from scheduler.cycle.tick import tick
    from scheduler.estimates.dry_run import DryRunParams, dry_run
    from scheduler.estimates.start_estimates import estimates, refresh_estimates
    from scheduler.estimates.what_if import ProposedChange, evaluate
    from scheduler.models import Job

    BackendGroup.objects.filter(pk=0).update(policy=policy)
    add_nodes(nodes)
    add_jobs(nodes * DEVICES + waiting)
    _spread_limits()
    tick(0)
    drain = dict.fromkeys(Backend.objects.order_by("pk").values_list("pk", flat=True)[:10], 0)
    token = Job.objects.filter(status="WAITING").select_related("token").latest("pk").token
    calls = {
        "refresh": lambda: refresh_estimates(0),
        "read": lambda: estimates([0]),
        "what_if": lambda: evaluate(ProposedChange(drain=drain)),
        "dry_run": lambda: dry_run(DryRunParams(token, 1, 0)),
    }
    found = {name: _counted(call) for name, call in calls.items()}
    return {**found, "known": len(estimates([0])), "waiting": Job.objects.filter(status="WAITING").count()}


def _spread_limits() -> None:
    """Let jobs end at different times, in minutes that repeat."""
    from django.db.models import F
    from django.db.models.functions import Mod

    from scheduler.models import Job

    for rest in range(60):
        some = Job.objects.annotate(rest=Mod(F("id"), 60)).filter(rest=rest)
        some.update(time_limit=HOUR + rest * timedelta(minutes=1))


def _counted(call: Any) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        seconds, _none = timed(call)
    return {"s": round(seconds, 3), "queries": len(seen)}


if __name__ == "__main__":
    nodes, waiting, policy = sys.argv[1:4]
    with installation():
        print(json.dumps(measure(int(nodes), int(waiting), policy)), flush=True)
