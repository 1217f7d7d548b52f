"""Runtime history: how long earlier jobs ran; start estimates rest on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median_low
from typing import NamedTuple

from scheduler.choices import JobStatus
from scheduler.models import Job
from scheduler.policy.forecast import Expected
from scheduler.policy.snapshot import QueuedRequest, Snapshot

LATEST = 2_000  # completed jobs of a group that are read
MS = timedelta(milliseconds=1)
JobKind = tuple[int, int]
"""Token and number of devices: jobs with the same ones are of one kind."""


class ExpectedRun(NamedTuple):
    """How much longer a job is expected to hold its devices; `limited`: its time limit ends it then."""

    ms: int
    limited: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeHistory:
    """How long the latest completed jobs of each kind held their devices, in ms."""

    lasted: Mapping[JobKind, list[int]]

    def expect(self, kind: JobKind, ran_ms: int = 0, limit_ms: int | None = None) -> ExpectedRun | None:
        """Return how much longer a job holds its devices: the median of earlier jobs that ran longer than it has.

        It is never longer than its limit. None if unknown, as for a job that still runs after its limit.
        """
        longer = [ms for ms in self.lasted.get(kind, ()) if ms > ran_ms]
        left = median_low(longer) - ran_ms if longer else None
        rest = None if limit_ms is None else limit_ms - ran_ms
        if rest is not None and rest <= 0:
            return None
        if rest is not None and (left is None or rest < left):
            return ExpectedRun(rest, limited=True)
        return None if left is None else ExpectedRun(left)


def expected_runs(snapshot: Snapshot, extra: Iterable[QueuedRequest] = ()) -> Expected:
    """Return how long the jobs of a snapshot are expected to run, by runtime history and time limits."""
    history = runtime_history(snapshot.group_id)
    runs = {r.id: history.expect((r.token_id, r.devices), 0, r.limit_ms) for r in (*snapshot.queue, *extra)}
    remaining = {
        job.id: history.expect(
            (job.token_id, sum(mask.bit_count() for _node, mask in job.devices)),
            max(0, snapshot.now_ms - job.started_ms),
            None if job.ends_ms is None else job.ends_ms - job.started_ms,
        )
        for job in snapshot.running
        if not job.fixed
    }
    known = {pk: run for pk, run in (*runs.items(), *remaining.items()) if run is not None}
    return Expected(
        {pk: known[pk].ms for pk in runs if pk in known},
        {pk: known[pk].ms for pk in remaining if pk in known},
        frozenset(pk for pk, run in known.items() if run.limited),
    )


def runtime_history(group_id: int) -> RuntimeHistory:
    """Return the runtime history of a group, in one query."""
    done = Job.objects.filter(group=group_id, status=JobStatus.COMPLETED, submitted_at__isnull=False)
    lasted: dict[JobKind, list[int]] = {}
    rows = done.order_by("-ended_at", "-pk").values_list("token_id", "num_devices", "submitted_at", "ended_at")
    for token, devices, start, end in rows[:LATEST]:
        if start is not None and end is not None:
            lasted.setdefault((token, devices), []).append((end - start) // MS)
    return RuntimeHistory(lasted)
