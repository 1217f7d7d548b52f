from backends.queries import out_of_service
from core.snapshot import one_snapshot
from scheduler.cycle.load import load
from scheduler.estimates.runtime_history import expected_runs
from scheduler.policy.what_if import WhatIfChange, WhatIfResult, what_if


def evaluate_group(group_id: int, change: WhatIfChange) -> WhatIfResult:
    """Return what becomes of a group's queue by a change of any kind, also of those that no page offers."""
    with one_snapshot():
        snapshot = load(group_id, everyone=True)
        expected = expected_runs(snapshot)
        out = out_of_service([group_id])
    return what_if(snapshot, expected, change, out=out)
