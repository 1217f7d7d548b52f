"""Ages of heartbeats, by the clock of the database, and counts of processes; each in one query."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Now

from core.measures import Counts, added
from liveness.models import ENDED, ProcessCounts, Sign

WORKER, POWER_WORKER, OUTBOX_WORKER, BEAT = "worker", "power worker", "outbox worker", "beat"
PRESENT_FOR = 60.0  # seconds for which the gauges of a process count that it has stored
PROCESSES = (WORKER, POWER_WORKER, OUTBOX_WORKER, BEAT)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Last heartbeat of a process or of periodic work: ages in seconds, None for never."""

    begun: float | None
    age: float | None
    by: str
    fallback: bool
    begun_at: datetime | None

    def within(self, seconds: float) -> bool:
        """Whether the last sign is not older than this."""
        return self.age is not None and self.age <= seconds


NEVER = Heartbeat(None, None, "", fallback=False, begun_at=None)


def heartbeats() -> Mapping[str, Heartbeat]:
    """Return the last heartbeats, by name."""
    rows = Sign.objects.annotate(now=Now()).values_list("name", "begun_at", "seen_at", "by", "fallback", "now")
    return {
        name: Heartbeat(_age(begun, now), _age(seen, now), by, fallback, begun)
        for name, begun, seen, by, fallback, now in rows
    }


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())


@dataclass(frozen=True, slots=True)
class AllCounts:
    """What all processes have counted together, and the gauges of those that are there, by kind of process."""

    counts: Counts
    gauges: Mapping[str, Counts]
    processes: Mapping[str, int]


def read_counts() -> AllCounts:
    """Return what all processes have counted, in one query."""
    gauges: dict[str, Counts] = {}
    processes: dict[str, int] = {}
    found: list[Counts] = []
    rows = ProcessCounts.objects.annotate(now=Now()).values_list("pk", "process", "seen_at", "counts", "gauges", "now")
    for pk, process, seen_at, counts, has, now in rows:
        found.append(json.loads(counts))
        if pk != ENDED and (_age(seen_at, now) or 0) <= PRESENT_FOR:
            gauges[process] = added((gauges.get(process, {}), json.loads(has)))
            processes[process] = processes.get(process, 0) + 1
    return AllCounts(added(found), gauges, processes)
