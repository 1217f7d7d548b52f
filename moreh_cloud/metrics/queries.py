"""The counts that are told to Prometheus: few queries, the same number for 10 rows and for 10,000."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, Sum

from alerts.choices import Level
from alerts.models import OPEN, Alert
from backends.choices import BackendStatus, DeviceStatus, Verdict
from backends.models import Backend, BackendGroup, Device, Finding
from core.clock import to_ms
from liveness.queries import PROCESSES, heartbeats
from outbox.queries import backlog
from remediation.choices import StepState, StepVerb
from remediation.queries import open_breakers, repairs_by_state, steps_by_outcome
from scheduler.choices import LIVE, Availability
from scheduler.models import WAITING, Allocation, Job
from scheduler.policy.decisions import PendingReason
from scheduler.queries.counts import Tally, count_live
from sda.models import SdaModel

NOT_PLANNED = "NOT_PLANNED"  # the reason of jobs that no cycle has looked at yet
Values = Mapping[tuple[str, ...], float]
"""A figure for each set of labels."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The names of backend groups: of every one there ever was by its id, and of those that there are."""

    names: Mapping[int, str]
    live: Sequence[str]

    def table(self, rows: Iterable[tuple[int, str, int]], statuses: Iterable[str]) -> Values:
        """Count by name and status; what a group has none of is 0, so that no series comes and goes."""
        found: Counter[tuple[str, ...]] = Counter({(name, str(status)): 0 for status in statuses for name in self.live})
        for group, status, number in rows:
            if group in self.names:  # one that was made since the names were read is told next time
                found[self.names[group], status] += number
        return found


def groups() -> Groups:
    """Return the names of all backend groups, in one query."""
    rows = list(BackendGroup.objects.order_by("index", "id").values_list("pk", "name", "deleted_at"))
    return Groups({pk: name for pk, name, _ in rows}, [name for _, name, deleted in rows if deleted is None])


def model_names() -> Mapping[int, str]:
    """Return the names of all SDA models, deleted ones included, by id."""
    return dict(SdaModel.objects.order_by().values_list("pk", "name"))


def nodes(known: Groups) -> Values:
    """Return the number of nodes by group and status."""
    rows = Backend.objects.live().order_by().values_list("group_id", "status")
    return known.table(rows.annotate(Count("pk")), BackendStatus.values)


def devices(known: Groups) -> Values:
    """Return the number of devices by group and status."""
    rows: Any = Device.objects.filter(backend__deleted_at__isnull=True).order_by()
    return known.table(rows.values_list("backend__group_id", "status").annotate(Count("pk")), DeviceStatus.values)


def verdicts(known: Groups) -> Values:
    """Return the number of devices by group and verdict."""
    rows: Any = Device.objects.filter(backend__deleted_at__isnull=True).order_by()
    return known.table(rows.values_list("backend__group_id", "verdict").annotate(Count("pk")), Verdict.values)


def findings() -> Values:
    """Return the number of findings that hold, by code; codes of which none holds are absent."""
    rows = Finding.objects.filter(ended_at__isnull=True, device__backend__deleted_at__isnull=True).order_by()
    return {(code,): number for code, number in rows.values_list("code").annotate(Count("pk"))}


def repairs() -> Values:
    """Return the number of open repairs by state."""
    return {(state,): number for state, number in repairs_by_state().items()}


def repair_steps() -> Values:
    """Return the number of steps of repairs by what they do and how they are or ended."""
    found: dict[tuple[str, ...], float] = {(str(verb), str(state)): 0 for verb in StepVerb for state in StepState}
    found.update({(verb, state): number for verb, state, number in steps_by_outcome()})
    return found


def repair_breakers(known: Groups) -> Values:
    """Return whether repairs wait for the limit of their group, by group."""
    waiting = {known.names.get(pk) for pk in open_breakers().values_list("pk", flat=True)}
    return {(name,): float(name in waiting) for name in known.live}


def jobs(known: Groups) -> Values:
    """Return the number of live jobs by group and status."""
    found = count_live(Q())
    return known.table(((group, status, number) for (group, status), (number, _) in found.items()), LIVE)


def oldest_waits(known: Groups, now: datetime) -> Values:
    """Return by group how long the oldest waiting job has waited (s); 0 where none waits."""
    first = Job.objects.filter(WAITING).order_by().values_list("group_id").annotate(Min("requested_at"))
    waits: dict[tuple[str, ...], float] = {(name,): 0 for name in known.live}
    for group, at in first:
        if group in known.names:
            waits[(known.names[group],)] = max(0, to_ms(now) - to_ms(at)) / 1000
    return waits


def queue(known: Groups) -> tuple[Values, Values]:
    """Return the waiting jobs by group and pending reason, and the devices that they need."""
    waiting = Job.objects.filter(WAITING).order_by().values_list("group_id", "pending_reason")
    rows = [
        (group, reason or NOT_PLANNED, jobs, devices)
        for group, reason, jobs, devices in waiting.annotate(Count("pk"), Sum("num_devices"))
    ]
    reasons = [NOT_PLANNED, *PendingReason]
    jobs = known.table(((group, reason, number) for group, reason, number, _ in rows), reasons)
    return jobs, known.table(((group, reason, number) for group, reason, _, number in rows), reasons)


def token_devices(known: Groups) -> Values:
    """Return the devices that each token holds now, by token and group; tokens without any are absent."""
    held = Allocation.objects.filter(ended_at=None).order_by().values_list("token_id", "device__backend__group_id")
    rows = held.annotate(Count("pk"))
    return {(str(token), known.names[group]): number for token, group, number in rows if group in known.names}


def open_alerts() -> Values:
    """Return the number of open alerts by level."""
    found = dict(Alert.objects.filter(OPEN).order_by().values_list("level").annotate(Count("pk")))
    return {(level,): found.get(level, 0) for level in Level.values}


def outbox_backlog(now: datetime) -> tuple[Values, Values]:
    """Return by channel the deliveries that are under way, and how long the oldest has been due (s)."""
    found = backlog()
    pending: dict[tuple[str, ...], float] = {(name,): number for name, (number, _) in found.items()}
    ages: dict[tuple[str, ...], float] = {
        (name,): max(0, to_ms(now) - to_ms(since)) / 1000 if since else 0 for name, (_, since) in found.items()
    }
    return pending, ages


def by_use(tally: Tally) -> Values:
    """Return the number of devices of each Availability, 0 included."""
    return {(use,): tally.get(use, 0) for use in Availability.values}


def ages() -> tuple[Values, Values, Values]:
    """Return the ages (s) of the heartbeats of processes and of periodic work, and whether other processes tick."""
    known = heartbeats()
    seen: dict[tuple[str, ...], float] = {(name,): one.age for name, one in known.items() if one.age is not None}
    processes = {name: age for name, age in seen.items() if name[0] in PROCESSES}
    work = {name: age for name, age in seen.items() if name not in processes}
    return processes, work, {(): float("tick" in known and known["tick"].fallback)}
