"""The figures of the first page, each defined where it is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest

from backends.choices import DEFAULT_GROUP
from backends.models import Agent, Backend, BackendGroup
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.console.queries.levels import pieces_between
from moreh_cloud.console.queries.spans import Span, sums_by_token, total_of
from moreh_cloud.console.queries.uses import Tally, count_uses
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import to_ms
from scheduler.choices import LIVE, OVER, Use
from scheduler.models import Job
from sda.models import SdaModel
from tokens.models import Token
from usage.calendar import floor_hour
from usage.intervals import overlapping
from usage.metering import Held
from usage.models import ClosedHour

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
STEP = timedelta(minutes=10)
SHOWN_ALERTS = 8
SHOWN_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each; what nothing has is absent. `since` begins the 24 hours of the ended jobs."""

    nodes: Tally
    devices: Tally
    live_jobs: Tally
    ended_jobs: Tally
    alerts: Tally
    since: datetime

    @property
    def in_service(self) -> int:
        """Devices in use or available: those that could work now."""
        return self.devices.get(Use.IN_USE, 0) + self.devices.get(Use.AVAILABLE, 0)


def counts(now: datetime) -> Counts:
    """Count nodes and devices by Use, live jobs, jobs ended in the last 24 hours (whole minutes), and open alerts."""
    since = (now - DAY).replace(second=0, microsecond=0)
    nodes, devices = count_uses(now)
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


def latest_open_alerts() -> QuerySet[Alert]:
    return Alert.objects.filter(OPEN).order_by("-id")[:SHOWN_ALERTS]


@dataclass(frozen=True, slots=True)
class Steps:
    """What a new installation has of what it takes to run a first job."""

    nodes: bool
    agents: bool
    models: bool
    tokens: bool
    jobs: bool


def first_steps() -> Steps:
    """Look, in one query, how far a new installation has come."""
    rows = {
        "nodes": Backend.objects.live(),
        "agents": Agent.objects.filter(last_seen__isnull=False),
        "models": SdaModel.objects.live(),
        "tokens": Token.objects.live(),
        "jobs": Job.objects.all(),
    }
    always = BackendGroup.objects.filter(pk=DEFAULT_GROUP)
    found = always.values(**{f"has_{name}": Exists(some) for name, some in rows.items()}).get()
    return Steps(**{name: found[f"has_{name}"] for name in rows})


@dataclass(frozen=True, slots=True)
class Week:
    """Device-time since the start of the hour seven days ago, or since the installation's first sign of life."""

    start: datetime
    end: datetime
    device_ms: int

    @property
    def average(self) -> float:
        """Devices in use, averaged over the time."""
        length = to_ms(self.end) - to_ms(self.start)
        return self.device_ms / length if length else 0.0


def last_week(now: datetime) -> Week:
    """Measure the week: closed hours, and the open ones from the allocations. A younger installation has no zeros."""
    start = max(week_start(now), min(first_sign() or now, now))
    over = Span(floor_hour(start), now)
    return Week(start, now, total_of(over))


def week_start(now: datetime) -> datetime:
    return floor_hour(now) - WEEK


def first_sign() -> datetime | None:
    """Give when the installation began: its first event, or its first hour of usage when history was imported."""
    event = Event.objects.order_by("pk").values_list("event_time", flat=True).first()
    hour = ClosedHour.objects.order_by("hour").values_list("hour", flat=True).first()
    return min((at for at in (event, hour) if at), default=None)


@dataclass(frozen=True, slots=True)
class TopToken:
    """A token with its device-time of the last week, and that in percent of the first one's."""

    token: Token
    device_ms: int
    length: float


def top_tokens(now: datetime) -> tuple[list[TopToken], int]:
    """Give the tokens with the most device-time since the start of the hour seven days ago, and everybody's (ms)."""
    sums = sums_by_token(Span(week_start(now), now))
    first = sorted((pk for pk in sums if sums[pk]), key=lambda pk: (-sums[pk], pk))[:SHOWN_TOKENS]
    names = Token.objects.only("description", "deleted_at").in_bulk(first)
    most = max(sums.values(), default=0)
    return [TopToken(names[pk], sums[pk], 100 * sums[pk] / most) for pk in first], sum(sums.values())


@dataclass(frozen=True, slots=True)
class Course:
    """Something over the last 24 hours in pieces of ten minutes, and one more cut where the installation began.

    Pieces from before are None.
    """

    bounds: Sequence[int]
    pieces: Sequence[Held | None]


def devices_in_use(now: datetime) -> Course:
    """Follow how many devices were held."""
    start = _day_start(now)
    return _course(overlapping(start, now).values_list("started_at", "ended_at"), start, now)


def queue_length(now: datetime) -> Course:
    """Follow how many jobs waited: from the request to the (last) placement, or the end of who never got devices."""
    start = _day_start(now)
    until = Coalesce("submitted_at", "ended_at")
    recent = Q(status__in=LIVE) | Q(status__in=OVER, ended_at__gt=start)
    rows = Job.objects.filter(recent, requested_at__lt=now).annotate(until=until)
    waits = rows.filter(Q(until__isnull=True) | Q(until__gt=Greatest("requested_at", Value(start))))
    return _course(waits.values_list("requested_at", "until"), start, now)


def _day_start(now: datetime) -> datetime:
    return floor_hour(now) + (now - floor_hour(now)) // STEP * STEP - DAY


def _course(rows: QuerySet[Any, Any], start: datetime, now: datetime) -> Course:
    began = first_sign() or now
    steps = {start + i * STEP for i in range(-(-(now - start) // STEP))} | {now}
    bounds = sorted(steps | {began} if min(steps) < began < max(steps) else steps)
    pieces = pieces_between(rows, bounds)
    known = [piece if end > began else None for piece, end in zip(pieces, bounds[1:], strict=True)]
    return Course([to_ms(bound) for bound in bounds], known)
