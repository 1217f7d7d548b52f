"""Queries of the home page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest

from alerts.choices import SubjectKind
from alerts.models import OPEN, Alert
from alerts.queries import KnownAlert, OpenAlerts, most_alerted, with_facts
from backends.choices import DEFAULT_GROUP, OPEN_WINDOWS
from backends.models import Agent, Backend, BackendGroup, MaintenanceWindow
from backends.queries.maintenance import windows
from console.queries.levels import pieces_between
from console.queries.periods import Period, ms_by_token, total_ms
from core.clock import to_ms
from events.models import Event
from scheduler.choices import LIVE, OVER, Availability
from scheduler.models import Job
from scheduler.queries.counts import Tally, count_availability
from sda.models import SdaModel
from tokens.models import Token
from usage.calendar import floor_hour
from usage.capacity import Capacity, capacity_of
from usage.intervals import overlapping
from usage.metering import HeldDevices
from usage.models import ClosedHour

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
STEP = timedelta(minutes=10)
SHOWN_ALERTS, SHOWN_NODES = 8, 8
SHOWN_TOKENS = 8
SHOWN_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers by use, state or level; zeros are absent. `since` is the start of the 24 hours of the ended jobs."""

    nodes: Tally
    devices: Tally
    live_jobs: Tally
    ended_jobs: Tally
    alerts: Tally
    since: datetime

    @property
    def in_service(self) -> int:
        """Return the number of devices that are in use or available."""
        return self.devices.get(Availability.IN_USE, 0) + self.devices.get(Availability.AVAILABLE, 0)


def counts(now: datetime) -> Counts:
    """Return the numbers of nodes and devices by use, live jobs, jobs that ended in 24 hours, and open alerts."""
    since = (now - DAY).replace(second=0, microsecond=0)
    nodes, devices = count_availability(now)
    return Counts(
        nodes=nodes,
        devices=devices,
        live_jobs=_by(Job.objects.filter(status__in=LIVE), "status"),
        ended_jobs=_by(Job.objects.filter(status__in=OVER, ended_at__gte=since), "status"),
        alerts=_by(Alert.objects.filter(OPEN), "level"),
        since=since,
    )


def _by(rows: QuerySet[Any], field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))


def latest_open_alerts() -> list[KnownAlert]:
    """Return the latest open alerts with what they are about, the newest first."""
    return with_facts(Alert.objects.filter(OPEN).order_by("-id")[:SHOWN_ALERTS], tags=False)


@dataclass(frozen=True, slots=True)
class AlertedNode:
    """A node with its open alerts."""

    pk: int
    name: str
    alerts: OpenAlerts


def most_alerted_nodes() -> list[AlertedNode]:
    """Return the nodes with the most urgent open alerts, in two queries."""
    found = most_alerted(SubjectKind.NODE, SHOWN_NODES)
    names = dict(Backend.objects.filter(pk__in=found).values_list("pk", "name"))
    return [AlertedNode(pk, names[pk], alerts) for pk, alerts in found.items() if pk in names]


def coming_windows() -> QuerySet[MaintenanceWindow]:
    """Return the maintenance windows that last, and those that come next, with how many nodes they have."""
    return windows().filter(state__in=OPEN_WINDOWS).order_by("starts_at", "pk")[:SHOWN_WINDOWS]


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Which steps to a first job a new installation has made."""

    nodes: bool
    agents: bool
    models: bool
    tokens: bool
    jobs: bool


def first_steps() -> FirstSteps:
    """Return which steps a new installation has made, in one query."""
    rows = {
        "nodes": Backend.objects.live(),
        "agents": Agent.objects.filter(last_seen__isnull=False),
        "models": SdaModel.objects.live(),
        "tokens": Token.objects.live(),
        "jobs": Job.objects.all(),
    }
    always = BackendGroup.objects.filter(pk=DEFAULT_GROUP)
    found = always.values(**{f"has_{name}": Exists(some) for name, some in rows.items()}).get()
    return FirstSteps(**{name: found[f"has_{name}"] for name in rows})


@dataclass(frozen=True, slots=True)
class Week:
    """Device-time since the start of the hour seven days ago, and what devices there were."""

    end: datetime
    device_ms: int
    capacity: Capacity

    @property
    def start(self) -> datetime:
        """Return the start of the time that the average covers: the first moment at which there were devices."""
        return self.end - timedelta(milliseconds=self.capacity.span_ms)

    @property
    def average(self) -> float:
        """Return the average number of devices in use."""
        return float(self.capacity.average(self.device_ms))


def last_week(now: datetime) -> Week:
    """Return the usage of the week, from closed hours and allocations, with the same result as the usage page."""
    start = week_start(now)
    return Week(now, total_ms(Period(start, now)), capacity_of(start, now))


def week_start(now: datetime) -> datetime:
    """Return the start of the hour seven days ago."""
    return floor_hour(now) - WEEK


def installed_at() -> datetime | None:
    """Return when the installation began: its first event, or its first hour of usage when history was imported."""
    event = Event.objects.order_by("pk").values_list("event_time", flat=True).first()
    hour = ClosedHour.objects.order_by("hour").values_list("hour", flat=True).first()
    return min((at for at in (event, hour) if at), default=None)


@dataclass(frozen=True, slots=True)
class TopToken:
    """A token with its device-time of the last week, and `length`: this in percent of the first token's."""

    token: Token
    device_ms: int
    length: float


def top_tokens(now: datetime) -> tuple[list[TopToken], int]:
    """Return the tokens with the most device-time since the hour seven days ago began, and the sum of all (ms)."""
    sums = ms_by_token(Period(week_start(now), now))
    first = sorted((pk for pk in sums if sums[pk]), key=lambda pk: (-sums[pk], pk))[:SHOWN_TOKENS]
    names = Token.objects.only("description", "deleted_at").in_bulk(first)
    most = max(sums.values(), default=0)
    return [TopToken(names[pk], sums[pk], 100 * sums[pk] / most) for pk in first], sum(sums.values())


@dataclass(frozen=True, slots=True)
class DaySeries:
    """A number over the last 24 hours, in pieces of ten minutes.

    A piece before the start of the installation is None; there is a bound at this start.
    """

    bounds: Sequence[int]
    pieces: Sequence[HeldDevices | None]


def devices_in_use(now: datetime) -> DaySeries:
    """Return the number of held devices over the last 24 hours."""
    start = _day_start(now)
    return _series(overlapping(start, now).values_list("started_at", "ended_at"), start, now)


def queue_length(now: datetime) -> DaySeries:
    """Return the number of waiting jobs over the last 24 hours.

    A job waits from its request to its (last) placement, or to its end if it never got devices.
    """
    start = _day_start(now)
    until = Coalesce("submitted_at", "ended_at")
    recent = Q(status__in=LIVE) | Q(status__in=OVER, ended_at__gt=start)
    rows = Job.objects.filter(recent, requested_at__lt=now).annotate(until=until)
    waits = rows.filter(Q(until__isnull=True) | Q(until__gt=Greatest("requested_at", Value(start))))
    return _series(waits.values_list("requested_at", "until"), start, now)


def _day_start(now: datetime) -> datetime:
    return floor_hour(now) + (now - floor_hour(now)) // STEP * STEP - DAY


def _series(rows: QuerySet[Any, Any], start: datetime, now: datetime) -> DaySeries:
    began = installed_at() or now
    steps = {start + i * STEP for i in range(-(-(now - start) // STEP))} | {now}
    bounds = sorted(steps | {began} if min(steps) < began < max(steps) else steps)
    pieces = pieces_between(rows, bounds)
    known = [piece if end > began else None for piece, end in zip(pieces, bounds[1:], strict=True)]
    return DaySeries([to_ms(bound) for bound in bounds], known)
