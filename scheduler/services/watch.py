"""What is wrong with devices although their agents do not say so, by their values, jobs and status."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from backends.choices import BackendStatus, DeviceStatus, ShutdownReason
from backends.health.failures import failing_devices
from backends.models import Device, Finding
from backends.models.health import OPEN_FINDING
from backends.queries import silence_cutoff
from backends.services.findings import ReportedFact
from backends.services.telemetry import VALUES
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.models import Allocation, Job
from scheduler.services.health import store_findings

FAILURES_WITHIN = timedelta(hours=24)
OUT = (
    ShutdownReason.OPERATOR,
    ShutdownReason.NEW,
    ShutdownReason.NODE_LOST,
    ShutdownReason.POWERED_OFF,
)
UNUSABLE = (ShutdownReason.VANISHED, ShutdownReason.NOT_CLEANED)


@transaction.atomic
def note_frozen() -> None:
    """Find devices in use whose values have not changed at all for MOREH_FROZEN_AFTER although they are reported."""
    now = db_now()
    since = now - settings.MOREH_FROZEN_AFTER
    frozen = _watched(now).filter(
        status=DeviceStatus.PROCESSING,
        since__lt=since,
        telemetry__changed_at__lt=since,
        telemetry__at__gte=silence_cutoff(now),
    )
    _store("FROZEN", dict(frozen.values_list("pk", "telemetry__changed_at")))


@transaction.atomic
def note_silent() -> None:
    """Find devices of which no values have come for MOREH_DEVICE_SILENT_AFTER while their healthy nodes report."""
    now = db_now()
    since = F("backend__agent__last_seen") - settings.MOREH_DEVICE_SILENT_AFTER
    empty = Q(telemetry__changed_at__lt=since, **{f"telemetry__{name}__isnull": True for name in VALUES})
    late = _watched(now).filter(Q(telemetry__at__lt=since) | empty, backend__status=BackendStatus.ACTIVE)
    silent = late.exclude(status=DeviceStatus.SHUTDOWN, why__in=OUT)
    _store("SILENT", dict(silent.values_list("pk", "telemetry__changed_at")))


@transaction.atomic
def note_unusable() -> None:
    """Find devices that are out of service because their agents no longer see them, or could not clean them."""
    out = Device.objects.filter(status=DeviceStatus.SHUTDOWN, backend__deleted_at__isnull=True)
    rows = list(out.filter(why__in=UNUSABLE).values_list("why", "pk", "since"))
    for code in UNUSABLE:
        _store(code.value, {pk: since for why, pk, since in rows if why == code})


@transaction.atomic
def note_failing() -> None:
    """Find devices on which workers fail again and again within a day, but not on others of their nodes."""
    since = db_now() - FAILURES_WITHIN
    failed = Job.objects.filter(status=JobStatus.FAILED, cause=Cause.WORKER_ERROR, ended_at__gte=since)
    used = Allocation.objects.filter(job__in=failed.values("pk"))
    failing = failing_devices(used.values_list("device__backend_id", "device_id", "job_id"))
    _store_facts("JOB_FAILURES", {pk: ReportedFact("JOB_FAILURES", count=jobs) for pk, jobs in failing.items()})


def _watched(now: datetime) -> QuerySet[Device]:
    """Return the devices of nodes whose agents report."""
    return Device.objects.filter(
        backend__deleted_at__isnull=True,
        backend__agent__session__isnull=False,
        backend__agent__last_seen__gte=silence_cutoff(now),
    )


def _store(code: str, since: Mapping[int, datetime | None]) -> None:
    _store_facts(code, {pk: ReportedFact(code, first_at=at) for pk, at in since.items()})


def _store_facts(code: str, facts: Mapping[int, ReportedFact]) -> None:
    """Make these the only open findings of a code."""
    open_ones: Iterable[int] = Finding.objects.filter(OPEN_FINDING, code=code).values_list("device_id", flat=True)
    store_findings({pk: [facts[pk]] if pk in facts else [] for pk in {*facts, *open_ones}}, codes=[code])
