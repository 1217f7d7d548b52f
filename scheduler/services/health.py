"""The health of devices, where it concerns jobs and reservations."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import transaction

from backends.choices import DeviceStatus, ShutdownReason
from backends.models import Device
from backends.services import findings
from backends.services.findings import ReportedFact, ReportedHealth
from core.clock import db_now
from scheduler.services.nodes import unused_devices


@transaction.atomic
def store_reported_health(reports: Iterable[ReportedHealth]) -> None:
    """Store what agents find wrong with their devices, and take out of service those that have failed."""
    _shut_down_unused(findings.store_reported_health(reports))


@transaction.atomic
def store_findings(facts: Mapping[int, Sequence[ReportedFact]], *, codes: Collection[str]) -> None:
    """Make these facts the open findings of these codes, by device, and take out of service what has failed."""
    _shut_down_unused(findings.store_findings(facts, codes=codes))


def _shut_down_unused(failed: Collection[int]) -> None:
    """Take failed devices out of service that a reserved SDA holds while none of its jobs runs."""
    if not failed:
        return
    unused = unused_devices(Device.objects.filter(pk__in=failed))
    Device.objects.filter(pk__in=unused, status=DeviceStatus.PREPARING).update(
        status=DeviceStatus.SHUTDOWN,
        why=ShutdownReason.DEVICE_FAILED,
        drain_to="",
        verdict_drains=False,
        since=db_now(),
    )
