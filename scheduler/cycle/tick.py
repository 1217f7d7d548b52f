"""A tick of one group: cycles under its lease, each of which loads, plans and applies."""

from collections.abc import Iterable, Sequence
from typing import TypeGuard

from core.lease import LeaseLost
from core.measures import Histogram
from scheduler.cycle.apply import apply
from scheduler.cycle.lease import acquire
from scheduler.cycle.load import load, load_short_queue
from scheduler.cycle.reserved import start_reserved
from scheduler.policy.decisions import Decision, Placed
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Snapshot

CYCLES = Histogram(
    "moreh_tick_duration_seconds",
    "Durations of scheduling cycles.",
    bounds=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)


def tick(group_id: int) -> None:
    """Run cycles of a group until no other is wanted; return at once if another process runs them."""
    lease = acquire(group_id)
    if lease is None:
        return
    try:
        while True:
            with CYCLES.timed():
                start_reserved(lease)
                apply(lease, *decide(group_id))
            if lease.release_unless_wanted():
                return
    except LeaseLost:
        return
    except Exception:
        lease.release()  # so that the next tick need not wait until the lease is over
        raise


def decide(group_id: int) -> tuple[Snapshot, Sequence[Decision]]:
    """Return a plan of a queue with its snapshot; a short queue whose jobs all start needs few nodes."""
    if few := load_short_queue(group_id):
        decisions = plan(few)
        if all_start(decisions, few):
            return few, decisions
    snapshot = load(group_id)
    return snapshot, plan(snapshot)


def all_start(decisions: Iterable[Decision], few: Snapshot) -> TypeGuard[Sequence[Placed]]:
    """Whether all jobs of a snapshot with few nodes start, as they would with all nodes.

    Where one rack is preferred, few nodes do not show which racks a job over several nodes could have.
    """
    alike = not few.rules.one_rack
    return all(isinstance(decision, Placed) and (alike or len(decision.devices) == 1) for decision in decisions)
