from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet

from backends.models import Backend, Device
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.lib.clock import db_now
from scheduler.choices import LIVE, OVER
from scheduler.models import Job

DAY = timedelta(hours=24)
SHOWN_ALERTS = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each status; statuses that nothing has are absent."""

    nodes: Mapping[str, int]
    devices: Mapping[str, int]
    live_jobs: Mapping[str, int]
    ended_jobs: Mapping[str, int]
    alerts: Mapping[str, int]


def counts() -> Counts:
    """Count nodes, devices, live jobs, jobs that ended in the last 24 hours, and open alerts, in five queries."""
    return Counts(
        nodes=_by(Backend.objects.live(), "status"),
        devices=_by(Device.objects.filter(backend__deleted_at__isnull=True), "status"),
        live_jobs=_by(Job.objects.filter(status__in=LIVE), "status"),
        ended_jobs=_by(Job.objects.filter(status__in=OVER, ended_at__gte=db_now() - DAY), "status"),
        alerts=_by(Alert.objects.filter(OPEN), "level"),
    )


def latest_open_alerts() -> QuerySet[Alert]:
    return Alert.objects.filter(OPEN).order_by("-id")[:SHOWN_ALERTS]


def _by(rows: QuerySet[Any], field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))
