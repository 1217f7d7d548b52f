"""Queries of the jobs page: the queue of each backend group, running jobs, and the last 24 hours in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup, Device
from backends.queries import is_reporting
from scheduler.choices import HOLDING, LIVE, OVER, JobStatus
from scheduler.estimates.start_estimates import estimates
from scheduler.models import WAITING, Job
from scheduler.pending_reason import pending_reason_text
from scheduler.policy.decisions import BLOCKING, PendingReason
from scheduler.queries.counts import LiveCounts
from scheduler.queries.jobs import like
from scheduler.queries.queue import QUEUE_ORDER, QueuePlace, places_among
from tokens.models import Token

DAY = timedelta(hours=24)
PAGE = 100
PHASES: Mapping[str, Sequence[JobStatus]] = {"": LIVE, "waiting": (JobStatus.WAITING,), "running": HOLDING}
COLUMNS = (
    *("id", "status", "priority", "num_devices", "process_name", "framework", "version", "group_id", "token_id"),
    *("requested_at", "submitted_at", "started_at", "pending_reason", "pending_needed", "pending_available"),
)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """The filters and the page number of the jobs page."""

    group: int | None = None
    phase: str = ""
    token: int | None = None
    text: str = ""
    page: int = 1

    @property
    def condition(self) -> Q:
        """Return the condition for token and text, without group and phase."""
        token = Q() if self.token is None else Q(token=self.token)
        return token & like(self.text)


def total(counts: LiveCounts, phase: str = "", group: int | None = None) -> int:
    """Return the number of jobs of a phase, in one group or in all."""
    return sum(n for (g, status), (n, _) in counts.items() if status in PHASES[phase] and group in (None, g))


def devices_requested(counts: LiveCounts) -> int:
    """Return the number of devices that waiting jobs request."""
    return sum(devices for (_, status), (_, devices) in counts.items() if status == JobStatus.WAITING)


def count_ended(since: datetime) -> Mapping[str, int]:
    """Return by state how many jobs have ended since a time."""
    ended = Job.objects.filter(status__in=OVER, ended_at__gte=since).order_by()
    return dict(ended.values_list("status").annotate(Count("pk")))


def free_devices(now: datetime) -> Mapping[int, int]:
    """Return by group how many devices the scheduler could give to a job now."""
    here = Backend.objects.live().filter(is_reporting(now), status=BackendStatus.ACTIVE)
    idle = Device.objects.filter(status=DeviceStatus.IDLE, backend__in=here).order_by()
    return dict(idle.values_list("backend__group").annotate(Count("pk")))


def groups() -> Mapping[int, str]:
    """Return the names of the live backend groups, in the order of lists."""
    return dict(BackendGroup.objects.live().order_by("index", "id").values_list("pk", "name"))


def every_group() -> Mapping[int, str]:
    """Return the names of all backend groups, in the order of lists; deleted groups come last, and are marked."""
    rows = BackendGroup.objects.order_by(F("deleted_at").asc(nulls_first=True), "index", "pk")
    found = rows.values_list("pk", "name", "deleted_at")
    return {pk: f"{name} ({gettext('deleted')})" if gone else name for pk, name, gone in found}


def customer(token: int | None) -> str:
    """Return the description of a token, or its number where there is no such token; an empty text without a token."""
    if token is None:
        return ""
    return Token.objects.filter(pk=token).values_list("description", flat=True).first() or f"#{token}"


def page_of(wanted: JobFilter, waiting: int) -> list[dict[str, Any]]:
    """Return one page: first waiting jobs in the order of the queues, then jobs with devices, the latest first.

    `waiting` is the number of wanted jobs that wait. With it each part is read through its own index.
    """
    found = Job.objects.filter(wanted.condition, **({} if wanted.group is None else {"group": wanted.group}))
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


def add_details(rows: list[dict[str, Any]], free: Mapping[int, int], now: datetime) -> None:
    """Add place, pending reason, start estimate, number of missing devices and times to each row."""
    waiting = [row for row in rows if row["status"] == JobStatus.WAITING]
    groups = {row["group_id"] for row in waiting}
    places, starts = places_among(groups, [row["id"] for row in waiting]), estimates(groups)
    for row in rows:
        row["waits"] = row["status"] == JobStatus.WAITING
        row["state"] = JobStatus(row["status"]).label
        row["waited"] = _seconds(row["requested_at"], row["submitted_at"] or now)
        row["ran"] = _seconds(row["started_at"], now)
    for row in waiting:
        place = places.get(row["id"], QueuePlace())
        row["place"] = place.number
        row["reason"] = pending_reason_text(
            row["pending_reason"], row["pending_needed"], row["pending_available"], place.head
        )
        row["start"] = starts.get(row["id"])
        row["missing"] = _missing(row, free.get(row["group_id"], 0))


def _missing(row: Mapping[str, Any], free: int) -> int:
    """Return how many devices a job lacks, from the numbers of its pending reason."""
    reason, there = row["pending_reason"], int(row["pending_available"])
    if reason == PendingReason.BLOCKED_BY_HEAD:
        there = free
    elif reason not in (*BLOCKING, PendingReason.NEVER_FITS):
        return 0
    return max(0, int(row["num_devices"]) - there)


def _seconds(start: datetime | None, end: datetime) -> int | None:
    return None if start is None else max(0, int((end - start).total_seconds()))
