"""When waiting jobs will start, and what a change would do, from today's rows. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median_low

from django.core.cache import cache

from scheduler.choices import JobStatus
from scheduler.load import load
from scheduler.models import Job
from scheduler.policy.forecast import Expected, forecast
from scheduler.policy.snapshot import Snapshot
from scheduler.policy.whatif import Answer, Change, what_if

LATEST = 2_000  # completed jobs of the group that say how long such jobs run
FRESH_S = 5  # an estimate is made again after this, however many ask
MS = timedelta(milliseconds=1)
Kind = tuple[int, int]
"""Jobs of one kind: the same token asks for the same number of devices."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How long the latest completed jobs of each kind held their devices, in milliseconds."""

    lasted: Mapping[Kind, list[int]]

    def expect(self, kind: Kind, ran_ms: int = 0, limit_ms: int | None = None) -> int | None:
        """Say how much longer such a job holds its devices: the median of those that ran for longer than it has.

        Never longer than its limit; None when nobody knows.
        """
        longer = [ms for ms in self.lasted.get(kind, ()) if ms > ran_ms]
        left = median_low(longer) - ran_ms if longer else None
        if limit_ms is None:
            return left
        rest = max(0, limit_ms - ran_ms)
        return rest if left is None else min(left, rest)


def estimated_starts(group_id: int) -> Mapping[int, datetime]:
    """Say when the waiting jobs of a group are expected to start; those of which nobody knows are left out."""
    key = f"outlook:{group_id}"
    found: Mapping[int, datetime] | None = cache.get(key)
    if found is None:
        snapshot = load(group_id, everyone=True)
        starts = forecast(snapshot, expected_in(snapshot))
        found = {pk: datetime.fromtimestamp(start.at_ms / 1000, UTC) for pk, start in starts.items()}
        cache.set(key, found, FRESH_S)
    return found


def answer(group_id: int, change: Change) -> Answer:
    """Say what becomes of a group's queue if a change is made now."""
    snapshot = load(group_id, everyone=True)
    return what_if(snapshot, expected_in(snapshot), change)


def expected_in(snapshot: Snapshot) -> Expected:
    """Expect of the jobs of a snapshot what the latest jobs of their kinds did, and their time limits."""
    habits = habits_of(snapshot.group_id)
    runs = {r.id: habits.expect((r.token_id, r.devices), 0, r.limit_ms) for r in snapshot.queue}
    remaining = {
        job.id: habits.expect(
            (job.token_id, sum(mask.bit_count() for _node, mask in job.devices)),
            max(0, snapshot.now_ms - job.started_ms),
            None if job.ends_ms is None else job.ends_ms - job.started_ms,
        )
        for job in snapshot.running
        if not job.fixed
    }
    return Expected(_known(runs), _known(remaining))


def habits_of(group_id: int) -> Habits:
    """Look at the latest completed jobs of a group, in one query."""
    done = Job.objects.filter(group=group_id, status=JobStatus.COMPLETED, submitted_at__isnull=False)
    lasted: dict[Kind, list[int]] = {}
    rows = done.order_by("-ended_at", "-pk").values_list("token_id", "num_devices", "submitted_at", "ended_at")
    for token, devices, start, end in rows[:LATEST]:
        if start is not None and end is not None:
            lasted.setdefault((token, devices), []).append((end - start) // MS)
    return Habits(lasted)


def _known(expected: Mapping[int, int | None]) -> dict[int, int]:
    return {pk: ms for pk, ms in expected.items() if ms is not None}
