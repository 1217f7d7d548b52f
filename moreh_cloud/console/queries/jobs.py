"""What the page of jobs shows: the queue of each backend group, who runs, and the last 24 hours in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup, Device
from backends.queries import heard
from scheduler.choices import HOLDING, LIVE, OVER, JobStatus
from scheduler.models import WAITING, Job
from scheduler.policy.reasons import BLOCKING, Reason
from scheduler.queries import QUEUE_ORDER, Place, like, places_among
from scheduler.why import in_words
from tokens.models import Token

DAY = timedelta(hours=24)
PAGE = 100
PHASES: Mapping[str, Sequence[JobStatus]] = {"": LIVE, "waiting": (JobStatus.WAITING,), "running": HOLDING}
COLUMNS = (
    *("id", "status", "priority", "num_devices", "process_name", "framework", "version", "group_id", "token_id"),
    *("requested_at", "submitted_at", "started_at", "pending_reason", "pending_needed", "pending_available"),
)
Counts = Mapping[tuple[int, str], tuple[int, int]]
"""Jobs and the devices they ask for or hold, by group and status."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the page is asked for."""

    group: int | None = None
    phase: str = ""
    token: int | None = None
    text: str = ""
    page: int = 1

    @property
    def narrow(self) -> Q:
        """Tell which jobs of all groups and phases are meant."""
        token = Q() if self.token is None else Q(token=self.token)
        return token & like(self.text)


def count_live(narrow: Q) -> Counts:
    """Count live jobs by group and status, in one query over the live ones."""
    rows = Job.objects.filter(narrow, status__in=LIVE).order_by().values_list("group_id", "status")
    return {(group, status): (n, m) for group, status, n, m in rows.annotate(Count("pk"), Sum("num_devices"))}


def total(counts: Counts, phase: str = "", group: int | None = None) -> int:
    """Add up the jobs of a phase, in one group or in all."""
    return sum(n for (g, status), (n, _) in counts.items() if status in PHASES[phase] and group in (None, g))


def devices_asked(counts: Counts) -> int:
    """Add up the devices that waiting jobs ask for."""
    return sum(devices for (_, status), (_, devices) in counts.items() if status == JobStatus.WAITING)


def count_ended(since: datetime) -> Mapping[str, int]:
    """Count the jobs that have ended since, by how."""
    ended = Job.objects.filter(status__in=OVER, ended_at__gte=since).order_by()
    return dict(ended.values_list("status").annotate(Count("pk")))


def free_devices(now: datetime) -> Mapping[int, int]:
    """Count by group the devices on which a job could start now, as the scheduler does."""
    here = Backend.objects.live().filter(heard(now), status=BackendStatus.ACTIVE)
    idle = Device.objects.filter(status=DeviceStatus.IDLE, backend__in=here).order_by()
    return dict(idle.values_list("backend__group").annotate(Count("pk")))


def groups() -> Mapping[int, str]:
    """Name every backend group that there is, in the order of lists."""
    return dict(BackendGroup.objects.live().order_by("index", "id").values_list("pk", "name"))


def customer(token: int | None) -> str:
    """Name a token that the page is narrowed to."""
    return "" if token is None else str(Token.objects.filter(pk=token).values_list("description", flat=True).first())


def page_of(wanted: Wanted, waiting: int) -> list[dict[str, Any]]:
    """Give one page: who waits, in the order of the queues, then who holds devices, the latest first.

    `waiting` is how many of the wanted jobs wait, so that each part is read from its own index.
    """
    found = Job.objects.filter(wanted.narrow, **({} if wanted.group is None else {"group": wanted.group}))
    start = (wanted.page - 1) * PAGE
    rows: list[dict[str, Any]] = []
    if wanted.phase != "running" and start < waiting:
        rows += _cut(found.filter(WAITING).order_by("group_id", *QUEUE_ORDER), start, PAGE)
    if wanted.phase != "waiting" and len(rows) < PAGE:
        first = start if wanted.phase == "running" else max(0, start - waiting)
        rows += _cut(found.filter(status__in=HOLDING).order_by("-submitted_at", "-pk"), first, PAGE - len(rows))
    return rows


def _cut(jobs: QuerySet[Job], start: int, most: int) -> list[dict[str, Any]]:
    named = {"customer": F("token__description"), "usual": F("token__priority"), "group_name": F("group__name")}
    return list(jobs.values(*COLUMNS, **named)[start : start + most])


def explain(rows: list[dict[str, Any]], free: Mapping[int, int], now: datetime) -> None:
    """Add to each row its place, why it waits, how many devices are missing, and its times in seconds."""
    waiting = [row for row in rows if row["status"] == JobStatus.WAITING]
    places = places_among({row["group_id"] for row in waiting}, [row["id"] for row in waiting])
    for row in rows:
        row["waits"] = row["status"] == JobStatus.WAITING
        row["state"] = JobStatus(row["status"]).label
        row["waited"] = _seconds(row["requested_at"], row["submitted_at"] or now)
        row["ran"] = _seconds(row["started_at"], now)
    for row in waiting:
        place = places.get(row["id"], Place())
        row["place"] = place.number
        row["why"] = in_words(row["pending_reason"], row["pending_needed"], row["pending_available"], place.head)
        row["missing"] = _missing(row, free.get(row["group_id"], 0))


def _missing(row: Mapping[str, Any], free: int) -> int:
    """Give how many devices a job lacks, by the number that its reason tells where it tells one."""
    reason, there = row["pending_reason"], int(row["pending_available"])
    if reason == Reason.BLOCKED_BY_HEAD:
        there = free
    elif reason not in (*BLOCKING, Reason.NEVER_FITS):
        return 0
    return max(0, int(row["num_devices"]) - there)


def _seconds(start: datetime | None, end: datetime) -> int | None:
    return None if start is None else max(0, int((end - start).total_seconds()))
